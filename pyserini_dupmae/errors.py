"""The one exception for a user's mistake, and the way each command reports it."""

from __future__ import annotations

import errno
import sys
from collections.abc import Callable

USER_ERROR_STATUS = 2


class UserError(Exception):
    """Something the user gave cannot be used.

    The message names the value, the file and line where there is one, and what to do about it; a command prints it
    as one line and exits with status 2.
    """


def run_command(main: Callable[[], None]) -> None:
    """Run a command's ``main`` and turn a user's mistake, a full disk or Ctrl-C into one line and an exit status."""
    try:
        main()
    except UserError as error:
        fail(str(error))
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        where = f" while writing {error.filename}" if error.filename else ""
        fail(f"no space left on the disk{where}; free some and run the same command again")
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        raise SystemExit(130) from None


def fail(message: str) -> None:
    """Print ``message`` as an error and exit with status 2."""
    print(f"error: {message}", file=sys.stderr)
    raise SystemExit(USER_ERROR_STATUS)


def first_line(error: Exception) -> str:
    """The first line of what a library's error says, or its type: for a message of one line."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
