"""Libraries that not every installation has: imported when they are needed, with an error that says what to install."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from pyserini_dupmae.util.errors import UserError


def require(module: str, purpose: str, install: str) -> Any:
    """The module ``module``.

    Args:
        module: its name, dots included.
        purpose: what needs it, the beginning of the message: ``"reading corpus.jsonl.zst"``.
        install: what pip calls it, or an extra of this package: ``'"pyserini_dupmae[cpu]"'``.

    Raises:
        UserError: it is not installed: ``PURPOSE needs MODULE, which is not installed: pip install INSTALL``.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != module.partition(".")[0]:
            raise  # it is there, but something that it needs is not
        raise UserError(f"{purpose} needs {module}, which is not installed: pip install {install}") from None
