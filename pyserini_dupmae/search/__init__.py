"""Exact hybrid search: Eq. 12 over a FAISS index, a Lucene impact index and the forward store.

`searcher` is what a program uses, `run` goes from topics to a run file, `explanation` takes a score apart. Below them
`fusion` ranks and proves with the `engines`: `faiss_retriever`, `lucene_retriever` and `exact_scorer`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyserini_dupmae.search.engines import Hit, open_engines
    from pyserini_dupmae.search.searcher import DupMAESearcher

_HOMES = {"DupMAESearcher": "searcher", "Hit": "engines", "open_engines": "engines"}
__all__ = ["DupMAESearcher", "Hit", "open_engines"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
