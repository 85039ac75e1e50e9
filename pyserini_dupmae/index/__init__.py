"""Indexes from the forward store: FAISS, a Lucene impact index, and jsonl for other tools."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyserini_dupmae.index.build import IndexResult, index, search_command
    from pyserini_dupmae.index.info import IndexInfo

_HOMES = {"IndexInfo": "info", "IndexResult": "build", "index": "build", "search_command": "build"}
__all__ = ["IndexInfo", "IndexResult", "index", "search_command"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
