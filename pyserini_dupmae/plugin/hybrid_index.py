"""The index type ``hybrid`` of Pyserini 2's servers: a folder that `encode` wrote, searched by Eq. 12."""

from __future__ import annotations

import os
from pathlib import Path
from threading import Lock
from typing import NamedTuple

from pyserini.search.lucene import LuceneSearcher

from pyserini_dupmae.modeling.query_encoder import QueryModel
from pyserini_dupmae.plugin.hybrid import CERTIFIED
from pyserini_dupmae.search.index_folder import IndexFolder
from pyserini_dupmae.search.searcher import DupMAESearcher


class ScoredDocid(str):
    """A docid with the parts of its document's score, ``dense`` and ``sparse``.

    Pyserini's servers take nothing else from a hit but its score, which they round.
    """

    dense: float
    sparse: float

    def __new__(cls, docid: str, dense: float, sparse: float) -> ScoredDocid:
        self = super().__new__(cls, docid)
        self.dense, self.sparse = dense, sparse
        return self


class HybridHit(NamedTuple):
    """A document found, with what Pyserini's servers read of it."""

    docid: ScoredDocid
    score: float


class HybridIndex(LuceneSearcher):
    """Searches an encoded collection by Eq. 12, with the documents' texts from its Lucene index.

    It is a ``LuceneSearcher`` because Pyserini's servers take documents from no other.

    Args:
        index_dir: the folder that was ``output`` of `encode`. Its Lucene index has texts when it was encoded with
            ``--store-contents``.
        encoder: the model that encoded the collection, by folder or name (default: the one that it
            records).

    Raises:
        UserError: no such collection or model, or one that did not encode the collection.
    """

    def __init__(self, index_dir: str | os.PathLike, encoder: str | None = None):
        lucene = IndexFolder.read(Path(index_dir, "lucene"), "lucene")
        self._place = str(index_dir)
        self._collection = DupMAESearcher(index_dir, encoder or None, certify=CERTIFIED)
        self._one_at_a_time = Lock()  # a server searches in several threads
        super().__init__(str(lucene.folder))

    def require(self, encoder: str) -> None:
        """Raise `UserError` unless ``encoder`` is the model that encoded the collection."""
        loaded = self._collection.encoder
        if encoder != loaded.identity.name:
            QueryModel.load(encoder, str(loaded.model.device), loaded.dtype).identity.require(
                loaded.identity, self._place
            )

    def search(self, query: str, k: int = 10) -> list[HybridHit]:
        """The k best documents."""
        with self._one_at_a_time:
            found = self._collection.search(query, k)
        return [HybridHit(ScoredDocid(hit.docid, hit.cls_score, hit.ot_score), hit.score) for hit in found]

    def close(self) -> None:
        """Close the collection and its Lucene index."""
        self._collection.close()
        super().close()
