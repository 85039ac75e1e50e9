"""Indexes from the forward store: FAISS, a Lucene impact index, and jsonl for other tools."""

from pyserini_dupmae.index.build import IndexResult, index, search_command
from pyserini_dupmae.index.info import IndexInfo

__all__ = ["IndexInfo", "IndexResult", "index", "search_command"]
