"""What this machine has that a process may use: cores and memory."""

from __future__ import annotations

import os
from pathlib import Path

CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")


def cores() -> int:
    """How many cores this process may run on, at least 1: fewer than the machine has where it is bound to some."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on every system
        return os.cpu_count() or 1


def memory() -> int:
    """Bytes of memory that this process may use: the machine's, or the limit of the container that it runs in."""
    installed = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    try:
        return min(installed, int(CGROUP_LIMIT.read_text()))
    except (OSError, ValueError):  # no such file, or "max"
        return installed
