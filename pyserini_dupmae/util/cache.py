"""Folders in a cache, named by the content that they were made from, each built by one process alone."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from pathlib import Path

from filelock import FileLock

from pyserini_dupmae.util.digests import combined, digest
from pyserini_dupmae.util.files import atomic_path

FORMAT = 1


def content_key(inputs: Iterable[Path | str | None]) -> str:
    """A hash of the bytes of files, and of the names of what another library looks after."""
    described = [combined(digest(item)) if isinstance(item, Path) else item for item in inputs]
    return hashlib.sha256(json.dumps([FORMAT, *described]).encode()).hexdigest()[:16]


def build_once(folder: Path, build: Callable[[Path], None]) -> Path:
    """``folder``, which ``build(temporary folder)`` makes when it is not there.

    Other processes that want it wait; one that is killed leaves nothing that looks complete.
    """
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{folder}.lock"):
            if not folder.exists():
                with atomic_path(folder) as temporary:
                    temporary.mkdir()
                    build(temporary)
    return folder
