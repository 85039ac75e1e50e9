"""The package's logger. A library stays quiet unless its user configures logging; a command shows what it does."""

from __future__ import annotations

import logging
import sys

logger = logging.getLogger("pyserini_dupmae")


class _StandardError(logging.Handler):
    """Writes to what ``sys.stderr`` is at the time of the message."""

    def emit(self, record: logging.LogRecord) -> None:
        print(self.format(record), file=sys.stderr)


def show() -> None:
    """Print the package's messages from level INFO on, one line each, on standard error. Commands call it once."""
    if not logger.handlers:
        handler = _StandardError()
        handler.setFormatter(logging.Formatter("%(name)s: %(message)s"))
        logger.addHandler(handler)
        logger.propagate = False
    logger.setLevel(logging.INFO)
