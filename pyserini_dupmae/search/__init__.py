"""Exact hybrid search: Eq. 12 over a FAISS index, a Lucene impact index and the forward store.

`searcher` is what a program uses, `run` goes from topics to a run file, `explanation` takes a score apart. Below them
`fusion` ranks and proves with the `engines`: `faiss_retriever`, `lucene_retriever` and `exact_scorer`.
"""

from pyserini_dupmae.search.engines import Hit, open_engines
from pyserini_dupmae.search.searcher import DupMAESearcher

__all__ = ["DupMAESearcher", "Hit", "open_engines"]
