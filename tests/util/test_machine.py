from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pyserini_dupmae.util import machine


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="a process cannot be bound to cores here")
def test_only_cores_that_the_process_may_use_count():
    script = "import os; from pyserini_dupmae.util.machine import cores; print(cores()); "
    script += "os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); print(cores())"
    printed = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert printed == [str(len(os.sched_getaffinity(0))), "1"]


@pytest.mark.parametrize(("limit", "bytes"), [("12345\n", 12345), ("max\n", None), (None, None)])
def test_the_limit_of_a_container_counts(limit, bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(machine, "CGROUP_LIMIT", tmp_path / "memory.max")
    if limit is not None:
        (tmp_path / "memory.max").write_text(limit)
    installed = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert machine.memory() == (bytes or installed)
