"""The engines that search a collection, opened and checked: which there are is said here and nowhere else.

A mode names the parts of Eq. 12 that count. `open_engines` opens what a mode reads (a FAISS index, a Lucene index, and
the store that both were built from); `Engines.ranker` gives what ranks by a mode.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pyserini_dupmae.index.info import IndexInfo
from pyserini_dupmae.search.exact_scorer import ExactScorer
from pyserini_dupmae.search.faiss_retriever import FaissRetriever, read_faiss
from pyserini_dupmae.search.fusion import Fusion, Ranker, Ranking
from pyserini_dupmae.store import ForwardStore
from pyserini_dupmae.util.errors import UserError
from pyserini_dupmae.util.log import logger

if TYPE_CHECKING:
    from pyserini_dupmae.modeling.identity import ModelIdentity
    from pyserini_dupmae.search.lucene_retriever import LuceneRetriever

MODES = {"dense": ("dense",), "sparse": ("sparse",), "hybrid": ("dense", "sparse")}
"""Mode -> the parts of Eq. 12 that count: [CLS], the bag of words, or both."""


class Hit(NamedTuple):
    """One document found: ``score`` by the searcher's mode, and both parts of Eq. 12."""

    docid: str
    score: float
    cls_score: float
    ot_score: float


@dataclass
class Engines:
    """What a search reads: the engines of a collection (one may be missing), its store, and the model behind them."""

    dense: FaissRetriever | None
    sparse: LuceneRetriever | None
    exact: ExactScorer
    model: ModelIdentity

    def ranker(self, mode: str | None = None) -> Ranker:
        """What ranks by ``mode`` (default: by every part that is open).

        Raises:
            UserError: an unknown mode, or one that needs an engine that was not opened.
        """
        if mode is None:
            return Fusion(self.dense, self.sparse, self.exact)
        parts = require_mode(mode)
        for part in parts:
            if getattr(self, part) is None:
                raise UserError(f"the searcher was opened without its {part} part; open it in the mode hybrid")
        dense, sparse = (getattr(self, part) if part in parts else None for part in ("dense", "sparse"))
        return Fusion(dense, sparse, self.exact)

    def hits(self, ranking: Ranking) -> list[Hit]:
        """A ranking by docid."""
        docids = [self.exact.docids[row] for row in ranking.rows.tolist()]
        scores = (ranking.scores, ranking.cls_scores, ranking.ot_scores)
        return list(map(Hit, docids, *(column.tolist() for column in scores)))

    def close(self) -> None:
        if self.sparse is not None:
            self.sparse.close()


def require_mode(mode: str) -> tuple[str, ...]:
    """The parts of Eq. 12 that ``mode`` takes; a mode that does not exist is a `UserError`."""
    if mode not in MODES:
        raise UserError(f"unknown mode {mode!r}; choose one of {', '.join(MODES)}")
    return MODES[mode]


def open_collection(folder: str | os.PathLike, mode: str = "hybrid") -> Engines:
    """Open what ``mode`` reads of an encoded collection. Raises `UserError` as `open_engines`, and for the mode."""
    parts = require_mode(mode)
    places = {part: Path(folder) / kind for part, kind in (("dense", "faiss"), ("sparse", "lucene"))}
    dense, sparse = (place if part in parts else None for part, place in places.items())
    return open_engines(dense, sparse)


def open_engines(
    faiss_dir: str | os.PathLike | None, lucene_dir: str | os.PathLike | None, faiss_index: Any | None = None
) -> Engines:
    """Open the indexes of one collection, of which one may be None, and the store that they were built from.

    ``faiss_index`` is the FAISS index of ``faiss_dir``, when it has been read already.

    Raises:
        UserError: a folder holds no such index, the two are of different models or collections, the store is gone or
            is another one, or FAISS, Pyserini or Java is missing.
    """
    faiss = None if faiss_dir is None else _Described.read(faiss_dir, "faiss")
    lucene = None if lucene_dir is None else _Described.read(lucene_dir, "lucene")
    if faiss and lucene:
        faiss.require_same_collection(lucene)
    described = faiss or lucene
    if described is None:
        raise ValueError("at least one index is needed")
    store = described.store()
    dense = sparse = top_k = None
    if lucene is not None:
        from pyserini_dupmae.search.lucene_retriever import LuceneRetriever

        top_k, scale = lucene.weights(store)
        sparse = LuceneRetriever(lucene.folder, store.terms, scale, store.docids)
    if faiss is not None:
        dense = _open_faiss(faiss, faiss_index)
    return Engines(dense, sparse, ExactScorer(store, top_k), store.model)


@dataclass(frozen=True)
class _Described:
    """An index folder and what its ``dupmae.json`` says."""

    folder: Path
    info: IndexInfo

    @classmethod
    def read(cls, folder: str | os.PathLike, kind: str) -> _Described:
        info = IndexInfo.read(Path(folder))
        if info.kind != kind:
            raise UserError(f"{Path(folder)} is not a {kind} index, but a {info.kind} index")
        return cls(Path(folder), info)

    def require_same_collection(self, other: _Described) -> None:
        self.info.model.require(other.info.model, str(other.folder))
        if (self.info.documents, self.info.collection) != (other.info.documents, other.info.collection):
            raise UserError(
                f"{self.folder} ({self.info.documents} documents) and {other.folder} ({other.info.documents}) are of "
                "different collections; give two indexes that were built together"
            )

    def store(self) -> ForwardStore:
        store = ForwardStore(*self.info.store_folders(self.folder))
        self.info.model.require(store.model, str(store.folders[0]))
        if len(store) != self.info.documents:
            raise UserError(
                f"{self.folder} was built from {self.info.documents} documents, but {store.folders[0]} holds "
                f"{len(store)}; build the indexes again with pyserini_dupmae.index"
            )
        return store

    def weights(self, store: ForwardStore) -> tuple[int, float]:
        """Of a Lucene index of ``store``: how many weights of a document it holds, and what one unit is worth."""
        top_k, scale = self.info.top_k, self.info.scale
        if top_k is None or scale is None or not 1 <= top_k <= store.top_k:
            raise UserError(f"{self.folder} keeps {top_k} weights a document, but its store {store.top_k}")
        return top_k, scale


def _open_faiss(faiss: _Described, index: Any | None) -> FaissRetriever:
    retriever = FaissRetriever(read_faiss(faiss.folder) if index is None else index)
    if len(retriever) != faiss.info.documents:
        raise UserError(
            f"{faiss.folder} holds {len(retriever)} vectors of {faiss.info.documents} documents; build it again"
        )
    if retriever.index.d != faiss.info.model.cls_dim:
        raise UserError(f"{faiss.folder} holds {retriever.index.d} dimensions, its model {faiss.info.model.cls_dim}")
    if not retriever.flat:
        logger.warning(
            "%s is not a flat index (%s): a ranking is proved only where the whole collection is scored",
            faiss.folder,
            faiss.info.factory,
        )
    return retriever
