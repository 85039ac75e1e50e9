"""Exact hybrid search: Eq. 12 over a FAISS index, a Lucene impact index and the forward store."""

from pyserini_dupmae.search.opening import Hit, open_sources
from pyserini_dupmae.search.searcher import DupMAESearcher

__all__ = ["DupMAESearcher", "Hit", "open_sources"]
