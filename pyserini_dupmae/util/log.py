"""The package's logger. A library stays quiet unless its user configures logging; a command shows what it does."""

from __future__ import annotations

import logging
import sys
from datetime import datetime

logger = logging.getLogger("pyserini_dupmae")


class _StandardError(logging.Handler):
    """Writes to what ``sys.stderr`` is at the time of the message."""

    def format(self, record: logging.LogRecord) -> str:
        text = f"{record.name}: {super().format(record)}"
        return f"{datetime.now():%H:%M:%S} {text}" if logger.isEnabledFor(logging.DEBUG) else text

    def emit(self, record: logging.LogRecord) -> None:
        print(self.format(record), file=sys.stderr)


def show() -> None:
    """Print the package's messages from level INFO on, one line each, on standard error.

    Commands call it before they parse their options, of which ``--quiet`` and ``--verbose`` set another level; from
    DEBUG on a line begins with the time.
    """
    if not logger.handlers:
        logger.addHandler(_StandardError())
        logger.propagate = False
    logger.setLevel(logging.INFO)


def conclude(result: object) -> None:
    """Print how a command ended on standard output, unless it was told ``--quiet``.

    What a command is asked to show, such as a table, is printed in any case.
    """
    if logger.isEnabledFor(logging.INFO):
        print(result, flush=True)


def is_quiet() -> bool:
    """Whether somebody asked for warnings alone."""
    return logger.level > logging.INFO


def option() -> list[str]:
    """What makes another command as loud as this one: ``--quiet``, ``--verbose`` or nothing."""
    if is_quiet():
        return ["--quiet"]
    return ["--verbose"] if logger.isEnabledFor(logging.DEBUG) else []
