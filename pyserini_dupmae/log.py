"""The package's logger. A library stays quiet unless its user configures logging; a command shows what it does."""

from __future__ import annotations

import logging
import sys

logger = logging.getLogger("pyserini_dupmae")


def show() -> None:
    """Print the package's messages from level INFO on, one line each, on standard error. Commands call it once."""
    if not logger.handlers:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("%(name)s: %(message)s"))
        logger.addHandler(handler)
        logger.propagate = False
    logger.setLevel(logging.INFO)
