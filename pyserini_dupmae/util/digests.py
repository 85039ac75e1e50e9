"""SHA-256 of files and folders: what tells whether an input, or something built, is still the same."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

Digest = dict[str, str]
"""Path of each file relative to what was hashed ("" for a single file) -> SHA-256 of its bytes."""


def digest(path: Path, without: Sequence[str] = ()) -> Digest:
    """Hash a file, or every file below a folder. What does not exist has no files.

    ``without`` are patterns of names that are passed over, with all below them, where they lie directly in the folder.
    """
    if path.is_file():
        return {"": _of_file(path)}
    tops = [top for top in path.glob("*") if not any(fnmatchcase(top.name, pattern) for pattern in without)]
    files = sorted(file for top in tops for file in (top, *top.rglob("*")) if file.is_file())
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # hashing leaves Python's lock free
        return dict(zip((file.relative_to(path).as_posix() for file in files), pool.map(_of_file, files), strict=True))


def combined(found: Digest) -> str:
    """One hash for all of ``found``."""
    if list(found) == [""]:
        return found[""]
    return hashlib.sha256("".join(f"{found[name]}  {name}\n" for name in sorted(found)).encode()).hexdigest()


def of_value(value: Any) -> str:
    """The hash of what JSON can hold; mappings with their order."""
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()


def differences(before: Digest, now: Digest) -> list[str]:
    """What happened to each file that is not as it was: ``added NAME``, ``missing NAME`` or ``changed NAME``."""
    return [
        f"{'added' if name not in before else 'missing' if name not in now else 'changed'} {name}".strip()
        for name in sorted({*before, *now})
        if before.get(name) != now.get(name)
    ]


def _of_file(path: Path) -> str:
    state = path.stat()
    return _hashed(path, state.st_size, state.st_mtime_ns, state.st_ino)


@cache
def _hashed(path: Path, *_state: int) -> str:
    """Conditions share files; within one process a file that was not touched is read once."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
