"""The one exception for a user's mistake."""

from __future__ import annotations

import errno
import sys
from typing import NoReturn

USER_ERROR_STATUS = 2
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# safetensors and torch write files themselves, and have exceptions of their own for what the system says.
_NO_SPACE_TEXTS = ("No space left", "StorageFull", "FileTooLarge", "File too large", "PytorchStreamWriter")


class UserError(Exception):
    """Something the user gave cannot be used.

    The message names the value, the file and line where there is one, and what to do about it. A command prints it as
    one line and exits with status 2; from Python it is an exception like any other.
    """


def fail(message: str) -> NoReturn:
    """Print ``message`` as an error and exit with status 2."""
    print(f"error: {message}", file=sys.stderr)
    raise SystemExit(USER_ERROR_STATUS)


def first_line(error: BaseException) -> str:
    """The first line of what a library's error says, or its type: for a message of one line."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def is_disk_full(error: BaseException) -> bool:
    """Whether ``error`` says that a file could not be written for want of space, in whatever library's words."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in _NO_SPACE
    return any(text in str(error) for text in _NO_SPACE_TEXTS)


def require_positive(**values: int | None) -> None:
    """Raise `UserError` for a value that is given and below 1; the keywords are what the message calls the values."""
    for name, value in values.items():
        if value is not None and value < 1:
            raise UserError(f"{name} must be at least 1, got {value}")
