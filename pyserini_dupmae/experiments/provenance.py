"""Under what circumstances a number came about: software, hardware, revision."""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from pyserini_dupmae import __version__
from pyserini_dupmae.evaluation.results import TRAINING_LOG, Provenance
from pyserini_dupmae.jvm import find_java
from pyserini_dupmae.util.errors import UserError

PACKAGE_FOLDER = Path(__file__).parents[1]


def provenance(model_hash: str = "", commands: Sequence[str] = ()) -> Provenance:
    """What a record that is written now says of itself.

    Args:
        model_hash: the fingerprint of the model that was measured.
        commands: what led to the record (default: the command line of this process).
    """
    here = environment()
    hardware = here["hardware"]
    parts = [hardware["cpu"], f"{hardware['cores']} cores", f"{hardware['memory_bytes'] / 2**30:.0f} GiB"]
    return Provenance(
        model_hash=model_hash,
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        hardware=", ".join([*parts, *hardware["gpus"]]),
        commit=here["git_revision"] or "",
        version=__version__,
        commands=tuple(commands) or (shlex.join([python(), *sys.orig_argv[1:]]),),
    )


@cache
def environment() -> dict[str, Any]:
    """Versions of Python, of every installed package and of Java, the hardware, the git revision or None."""
    return {
        "python": platform.python_version(),
        "packages": {one.name: one.version for one in sorted(distributions(), key=lambda one: one.name.lower())},
        "java": _java(),
        "git_revision": _git_revision(),
        "hardware": {
            "machine": platform.machine(),
            "system": platform.platform(),
            "cpu": _cpu(),
            "cores": os.cpu_count(),
            "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
            "gpus": _gpus(),
        },
    }


def python() -> str:
    """``python`` where that is this one, so that what is shown can be pasted anywhere; else where this one lies."""
    return "python" if shutil.which("python") == sys.executable else sys.executable


def training_log(model: str | os.PathLike, folder: Path) -> str | None:
    """The log that training left beside ``model``, as a record in ``folder`` names it; None where there is none."""
    log = Path(model) / TRAINING_LOG
    return os.path.relpath(log, folder) if log.is_file() else None


def _java() -> str | None:
    try:
        return find_java().version
    except UserError:
        return None


def _git_revision() -> str | None:
    """The revision of this package's sources, with ``+changes`` when they differ from it; None outside a clone."""
    if _output("git", "ls-files", "--error-unmatch", "__init__.py") is None:
        return None
    revision = _output("git", "rev-parse", "HEAD")
    return f"{revision}+changes" if _output("git", "status", "--porcelain", "--", ".") else revision


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, platform.processor())


def _gpus() -> list[str]:
    if shutil.which("nvidia-smi") is None:
        return []
    found = _output("nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader")
    return (found or "").splitlines()


def _output(*command: str) -> str | None:
    """What ``command`` prints, run in the package's folder; None when it fails or does not exist."""
    try:
        found = subprocess.run(command, cwd=PACKAGE_FOLDER, capture_output=True, text=True, check=True, timeout=60)
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout.strip()
