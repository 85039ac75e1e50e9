"""Opening what a search reads: a FAISS index, a Lucene index, and the store that both were built from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pyserini_dupmae.index.info import IndexInfo
from pyserini_dupmae.search.exact_scorer import StoreParts
from pyserini_dupmae.search.faiss_retriever import FaissSource, read_faiss
from pyserini_dupmae.search.fusion import Fusion, Ranking
from pyserini_dupmae.store import ForwardStore
from pyserini_dupmae.util.errors import UserError
from pyserini_dupmae.util.log import logger

if TYPE_CHECKING:
    from pyserini_dupmae.modeling.identity import ModelIdentity
    from pyserini_dupmae.search.lucene_retriever import LuceneSource


class Hit(NamedTuple):
    """One document found: ``score`` by the searcher's mode, and both parts of Eq. 12."""

    docid: str
    score: float
    cls_score: float
    ot_score: float


@dataclass
class Sources:
    """What a search reads: the engines of a collection (one may be missing), its store, and the model behind them."""

    dense: FaissSource | None
    sparse: LuceneSource | None
    exact: StoreParts
    model: ModelIdentity

    @property
    def fusion(self) -> Fusion:
        return Fusion(self.dense, self.sparse, self.exact)

    def hits(self, ranking: Ranking) -> list[Hit]:
        """A ranking by docid."""
        docids = [self.exact.docids[row] for row in ranking.rows.tolist()]
        scores = (ranking.scores, ranking.cls_scores, ranking.ot_scores)
        return list(map(Hit, docids, *(column.tolist() for column in scores)))

    def close(self) -> None:
        if self.sparse is not None:
            self.sparse.close()


def open_sources(
    faiss_dir: str | Path | None, lucene_dir: str | Path | None, faiss_index: Any | None = None
) -> Sources:
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
    store = (faiss or lucene).store()
    if lucene is not None and not 1 <= lucene.info.top_k <= store.top_k:
        raise UserError(f"{lucene.folder} keeps {lucene.info.top_k} weights a document, but its store {store.top_k}")
    sparse = None
    if lucene is not None:
        from pyserini_dupmae.search.lucene_retriever import LuceneSource

        sparse = LuceneSource(lucene.folder, store.terms, lucene.info.scale, store.docids)
    dense = None if faiss is None else _open_faiss(faiss, faiss_index)
    return Sources(dense, sparse, StoreParts(store, lucene and lucene.info.top_k), store.model)


@dataclass(frozen=True)
class _Described:
    """An index folder and what its ``dupmae.json`` says."""

    folder: Path
    info: IndexInfo

    @classmethod
    def read(cls, folder: str | Path, kind: str) -> _Described:
        info = IndexInfo.read(Path(folder))
        if info.kind != kind:
            raise UserError(f"{folder} is not a {kind} index, but a {info.kind} index")
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


def _open_faiss(faiss: _Described, index: Any | None) -> FaissSource:
    source = FaissSource(read_faiss(faiss.folder) if index is None else index)
    if len(source) != faiss.info.documents:
        raise UserError(
            f"{faiss.folder} holds {len(source)} vectors of {faiss.info.documents} documents; build it again"
        )
    if source.index.d != faiss.info.model.cls_dim:
        raise UserError(f"{faiss.folder} holds {source.index.d} dimensions, its model {faiss.info.model.cls_dim}")
    if not source.flat:
        logger.warning(
            "%s is not a flat index (%s): a ranking is proved only where the whole collection is scored",
            faiss.folder,
            faiss.info.factory,
        )
    return source
