"""Files that are complete or absent: written under a temporary name, then moved."""

from __future__ import annotations

import json
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from pyserini_dupmae.util.errors import UserError

TEMPORARY_SUFFIX = ".tmp"


@contextmanager
def atomic_path(path: str | os.PathLike) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; move it there when the block ends well, delete it when it raises.

    A link is followed. What is neither file nor folder, such as ``/dev/stdout``, is written to as it is: ``path``
    itself is yielded.
    """
    path = Path(path)
    if _is_written_through(path):
        yield path
        return
    path = Path(os.path.realpath(path)) if path.is_symlink() else path
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + TEMPORARY_SUFFIX)
    remove(temporary)
    try:
        yield temporary
        sync(temporary)
        if path.is_dir():
            remove(path)  # os.replace cannot put a folder over one that has files
        os.replace(temporary, path)
    except BaseException:
        remove(temporary)
        raise


@contextmanager
def atomic_open(path: str | os.PathLike, mode: str = "w") -> Iterator[IO[Any]]:
    """Open ``path`` for writing (``"w"``: UTF-8 text, ``"wb"``: bytes) so that it appears whole or not at all."""
    encoding = None if "b" in mode else "utf-8"
    with atomic_path(path) as temporary, open(temporary, mode, encoding=encoding) as stream:
        yield stream


def write_json(path: str | os.PathLike, value: Any) -> None:
    """Write ``value`` as indented JSON with sorted keys, atomically; equal values give equal bytes."""
    with atomic_open(path) as stream:
        json.dump(value, stream, indent=1, sort_keys=True, ensure_ascii=False)
        stream.write("\n")


def _is_written_through(path: Path) -> bool:
    """Whether ``path`` is a device, a pipe or a socket, or, through /proc, whatever a process has opened already."""
    if path.is_symlink() and os.readlink(path).startswith("/proc/"):
        return True
    return path.exists() and not path.is_file() and not path.is_dir()


def require_folder(path: str | os.PathLike) -> Path:
    """``path`` if a folder that can be written to is there or can be made, else a `UserError` before any work."""
    return _require_output(path, "folder")


def require_file(path: str | os.PathLike, *, reads: Iterable[str | os.PathLike] = ()) -> Path:
    """``path`` if a file can be written there, else a `UserError` before any work.

    Args:
        reads: files that the same work reads or writes, which it must not replace; names of no file are passed over.
    """
    found = _require_output(path, "file")
    for other in reads:
        there = os.path.exists(found) and os.path.exists(other)
        same = os.path.samefile(found, other) if there else os.path.abspath(found) == os.path.abspath(other)
        if same and not _is_written_through(found):
            raise UserError(f"the output {path} would replace {other}, which this reads or writes too; give another")
    return found


def require_replaceable(folder: str | os.PathLike, is_ours: Callable[[Path], bool], *, overwrite: bool = True) -> Path:
    """`require_folder` of what is to be replaced as a whole: nothing, an empty folder, or what the package has made.

    Raises:
        UserError: also for a folder that is not ``is_ours``, which is never deleted, or may not be overwritten.
    """
    path = require_folder(folder)
    if not path.is_dir() or not any(path.iterdir()):
        return path
    if not overwrite:
        raise UserError(f"{path} exists; give another --output, or --overwrite to replace it")
    if not is_ours(path):
        raise UserError(f"{path} holds what this command did not make, which is not deleted; give another --output")
    return path


def holds_only(names: Iterable[str]) -> Callable[[Path], bool]:
    """Whether a folder has no other files than some of ``names``, which are relative to it."""
    known = set(names)
    return lambda folder: all(
        file.relative_to(folder).as_posix() in known for file in folder.rglob("*") if not file.is_dir()
    )


def _require_output(given: str | os.PathLike, kind: str) -> Path:
    if not os.fspath(given):
        raise UserError(f"the output has an empty name; name a {kind}")
    path = Path(given)
    try:
        found = _mode(path)
        _mode(path.with_name(path.name + TEMPORARY_SUFFIX) if path.name else path)
        if found is not None and stat.S_ISDIR(found) != (kind == "folder"):
            there = "a folder; name a file" if kind == "file" else "no folder; give another --output"
            raise UserError(f"the output {path} is {there}")
        if _is_written_through(path):
            return path
        above = next(one for one in ((path, *path.parents) if kind == "folder" else path.parents) if _mode(one))
        if not above.is_dir():
            raise UserError(f"the output {path} cannot be made: {above} is no folder")
        with tempfile.TemporaryFile(dir=above):  # whatever keeps one from being written there
            pass
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"the output {str(path)[:200]} cannot be written: {reason}; give another") from None
    return path


def _mode(path: Path) -> int | None:
    """What is at ``path``, links followed; None where nothing is, not even a folder above it."""
    try:
        return os.stat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None


def share_weights(folder: Path) -> None:
    """Give safetensors, which their library writes for their owner alone, the permissions of the files beside them."""
    for beside in sorted(folder.glob("*.json"))[:1]:
        for weights in folder.glob("*.safetensors"):
            weights.chmod(stat.S_IMODE(beside.stat().st_mode))


def remove(path: str | os.PathLike) -> None:
    """Delete a file or a folder with all it holds; nothing happens when it is not there."""
    path = Path(path)
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Flush a file, or every file of a folder, to the disk."""
    for file in path.rglob("*") if path.is_dir() else [path]:
        if file.is_file():
            with open(file, "rb") as stream:
                os.fsync(stream.fileno())


def user_cache() -> Path:
    """The package's folder in the user's cache: below ``XDG_CACHE_HOME``, by default ``~/.cache``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pyserini_dupmae"
