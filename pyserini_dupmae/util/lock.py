"""One process at a time on one output. The lock is the kernel's, and ends with its process, however that ends."""

from __future__ import annotations

import errno
import fcntl
import functools
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import ParamSpec, TypeVar

from pyserini_dupmae.util.errors import UserError
from pyserini_dupmae.util.files import require_folder

LOCK = ".lock"
"""In a folder where something is at work: who it is."""

_P = ParamSpec("_P")
_R = TypeVar("_R")
_NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS)
_open: set[int] = set()
_held: ContextVar[frozenset[Path]] = ContextVar("held", default=frozenset())


def _leave_to_parent() -> None:
    """A forked process shares its parent's locks, and would keep them after its death."""
    for descriptor in _open:
        os.close(descriptor)
    _open.clear()


os.register_at_fork(after_in_child=_leave_to_parent)


def locks_output(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Let ``function``, which writes to the folder ``output``, be alone in it; of torchrun's processes the first is.

    The function raises `UserError` where the folder cannot be written, or another process is at work there.
    """

    @functools.wraps(function)
    def alone_there(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        output = kwargs.get("output")
        if not isinstance(output, str | os.PathLike) or os.environ.get("RANK", "0") != "0":
            return function(*args, **kwargs)
        with alone(require_folder(output)):
            return function(*args, **kwargs)

    return alone_there


@contextmanager
def alone(folder: Path, *, wait: bool = False) -> Iterator[None]:
    """Keep other processes out of ``folder``, which is made, and deleted again if nothing came into it.

    What is called within may ask for the same folder again. With ``wait``, wait for others.

    Raises:
        UserError: another process is at work there; the message has its number and its machine's name.
    """
    made = [one for one in (folder, *folder.parents) if not one.exists()]
    try:
        with _locked(folder / LOCK, folder, wait):
            yield
    finally:
        with suppress(OSError):  # something is in it
            for one in made:
                one.rmdir()


def alone_with(file: Path) -> AbstractContextManager[None]:
    """The same for a file, or for a folder that is written elsewhere and replaced in the end."""
    return _locked(file.with_name(f".{file.name}{LOCK}"), file, wait=False)


@contextmanager
def _locked(path: Path, work: Path, wait: bool) -> Iterator[None]:
    place = path.resolve()
    if place in _held.get():
        yield
        return
    descriptor = _acquire(path, work, wait)
    _open.add(descriptor)
    token = _held.set(_held.get() | {place})
    try:
        yield
    finally:
        _held.reset(token)
        if descriptor in _open:  # not in a fork
            _open.remove(descriptor)
            path.unlink(missing_ok=True)  # before it is released, so that nobody waits for a file that is gone
            os.close(descriptor)


def _acquire(path: Path, work: Path, wait: bool) -> int:
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)  # the one before may have deleted it
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            holder = os.pread(descriptor, 500, 0).decode(errors="replace").strip()
            os.close(descriptor)
            who = f" ({holder})" if holder else ""
            raise UserError(f"another run is at work in {work}{who}; wait for it, or give another --output") from None
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                os.close(descriptor)
                raise
        try:
            is_current = os.path.samestat(os.fstat(descriptor), os.stat(path))
        except FileNotFoundError:  # the one before deleted it
            is_current = False
        if is_current:
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"process {os.getpid()} on {socket.gethostname()}\n".encode(), 0)
            return descriptor
        os.close(descriptor)
