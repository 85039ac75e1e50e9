"""The engines that search a collection, opened and checked: which there are is said here and nowhere else.

A mode names the parts of Eq. 12 that count, an engine how the documents are found: ``lists`` asks a FAISS and a Lucene
index for the best of each part (`pyserini_dupmae.search.fusion`), ``scan`` scores every document from a term-major copy
of the store (`pyserini_dupmae.search.scan`). Both give the same rankings. ``auto`` scans where it can do so from
memory: a collection of one block, of which the copy is made when it is opened, and a larger one whose copy has been
written (``index --to-postings``) and leaves a quarter of the machine's memory free. Otherwise it takes lists, if there
are any.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pyserini_dupmae.index.info import INFO_JSON, IndexInfo
from pyserini_dupmae.index.postings import BLOCK, Postings
from pyserini_dupmae.search.exact_scorer import ExactScorer
from pyserini_dupmae.search.faiss_retriever import FaissRetriever, read_faiss
from pyserini_dupmae.search.fusion import Fusion, Ranker, Ranking
from pyserini_dupmae.store import STORE_JSON, ForwardStore
from pyserini_dupmae.util.errors import UserError
from pyserini_dupmae.util.log import logger

if TYPE_CHECKING:
    from pyserini_dupmae.modeling.identity import ModelIdentity
    from pyserini_dupmae.search.lucene_retriever import LuceneRetriever

MODES = {"dense": ("dense",), "sparse": ("sparse",), "hybrid": ("dense", "sparse")}
"""Mode -> the parts of Eq. 12 that count: [CLS], the bag of words, or both."""

ENGINES = ("auto", "scan", "lists")

SHARE_OF_MEMORY = 0.75
"""``auto`` scans postings that take at most this share of the machine's memory."""


class Hit(NamedTuple):
    """One document found: ``score`` by the searcher's mode, and both parts of Eq. 12."""

    docid: str
    score: float
    cls_score: float
    ot_score: float


@dataclass
class Engines:
    """What a search reads: a collection's store and the model behind it, and those of its engines that are open.

    ``folder`` is where the indexes lie and postings are written. ``engine``, one of `ENGINES`, says what ranks.
    """

    dense: FaissRetriever | None
    sparse: LuceneRetriever | None
    exact: ExactScorer
    model: ModelIdentity
    folder: Path
    engine: str = "auto"

    def ranker(self, mode: str | None = None) -> Ranker:
        """What ranks by ``mode`` (default: by every part whose index is open).

        Raises:
            UserError: an unknown mode, or one that needs an index that was not opened.
        """
        open_parts = tuple(part for part in MODES["hybrid"] if getattr(self, part) is not None)
        parts = open_parts if mode is None else require_mode(mode)
        if self.engine == "scan" or (self.engine == "auto" and self.can_scan):
            return self._scan(parts)
        for part in parts:
            if part not in open_parts:
                raise UserError(f"the searcher was opened without its {part} part; open it in the mode hybrid")
        dense, sparse = (getattr(self, part) if part in parts else None for part in MODES["hybrid"])
        return Fusion(dense, sparse, self.exact, self._scan(parts) if self.can_scan else None)

    @property
    def can_scan(self) -> bool:
        """Whether ``auto`` scans: see the module."""
        if len(self.exact.docids) <= BLOCK:
            return True
        written = self._written()
        return written is not None and written.size() <= SHARE_OF_MEMORY * _memory()

    def _scan(self, parts: Sequence[str]) -> Ranker:
        from pyserini_dupmae.search.scan import Scan

        return Scan(self._postings, self.exact, dense="dense" in parts, sparse="sparse" in parts)

    @cached_property
    def _postings(self) -> Postings:
        store, top_k = self.exact.store, self.exact.top_k
        written = self._written()
        if written is None and len(store) > BLOCK:
            written = self._write()
        return Postings.of(store, top_k) if written is None else written.postings(store)

    def _written(self) -> _Described | None:
        """The postings in `folder`, where they are of this collection and keep as many weights as are searched."""
        if not (self.folder / "postings" / INFO_JSON).exists():
            return None
        found = _Described.read(self.folder / "postings", "postings")
        return found if found.info.top_k == self.exact.top_k and found.is_of(self.exact.store) else None

    def _write(self) -> _Described:
        from pyserini_dupmae.index.build import index

        logger.info("writing the postings that the engine scan reads; the next search finds them")
        stores = [folder.parent for folder in self.exact.store.folders]
        index(stores, to="postings", output=self.folder, top_k=self.exact.top_k, overwrite=True)
        return _Described.read(self.folder / "postings", "postings")

    def hits(self, ranking: Ranking) -> list[Hit]:
        """A ranking by docid."""
        docids = [self.exact.docids[row] for row in ranking.rows.tolist()]
        scores = (ranking.scores, ranking.cls_scores, ranking.ot_scores)
        return list(map(Hit, docids, *(column.tolist() for column in scores)))

    def document(self, docid: str | int) -> Any | None:
        """Pyserini's ``Document`` from the Lucene index, which is opened if it is not yet; None when it has none."""
        if self.sparse is None:
            self.sparse = open_engines(None, self.folder / "lucene").sparse
        return self.sparse.document(docid) if self.sparse is not None else None

    def close(self) -> None:
        if self.sparse is not None:
            self.sparse.close()


def require_mode(mode: str) -> tuple[str, ...]:
    """The parts of Eq. 12 that ``mode`` takes; a mode that does not exist is a `UserError`."""
    if mode not in MODES:
        raise UserError(f"unknown mode {mode!r}; choose one of {', '.join(MODES)}")
    return MODES[mode]


def require_engine(engine: str) -> str:
    """``engine``; one that does not exist is a `UserError`."""
    if engine not in ENGINES:
        raise UserError(f"unknown engine {engine!r}; choose one of {', '.join(ENGINES)}")
    return engine


def open_collection(folder: str | os.PathLike, mode: str = "hybrid", engine: str = "auto") -> Engines:
    """Open what ``mode`` and ``engine`` read of an encoded collection.

    A scan reads the store alone, so that neither FAISS nor Java has to be there.

    Raises:
        UserError: as `open_engines`, or an unknown mode or engine.
    """
    folder = Path(folder)
    parts = require_mode(mode)
    places = {part: folder / kind for part, kind in (("dense", "faiss"), ("sparse", "lucene"))}
    if require_engine(engine) != "lists":
        opened = _open_store(folder, must=engine == "scan")
        lists_are_there = all((places[part] / INFO_JSON).exists() for part in parts)
        if opened is not None and (engine == "scan" or opened.can_scan or not lists_are_there):
            opened.engine = "scan"
            logger.info("engine scan: every one of %d documents is scored", len(opened.exact.docids))
            return opened
    dense, sparse = (place if part in parts else None for part, place in places.items())
    opened = open_engines(dense, sparse)
    opened.folder, opened.engine = folder, "lists"
    logger.info("engine lists: FAISS and Lucene give candidates among %d documents", len(opened.exact.docids))
    return opened


def _open_store(folder: Path, must: bool) -> Engines | None:
    """The store of a collection, without its indexes; None when nothing in ``folder`` tells where it is.

    The indexes that are there must be of the same collection, as if they were opened. Where there ``must`` be a store,
    it is a `UserError` that there is none.
    """
    kinds = [kind for kind in ("faiss", "lucene", "postings") if (folder / kind / INFO_JSON).exists()]
    described = [_Described.read(folder / kind, kind) for kind in kinds]
    for one, other in pairwise(described):
        one.require_same_collection(other)
    if described:
        store = described[0].store()
    elif must or (folder / "store" / STORE_JSON).exists():
        store = ForwardStore(folder / "store")
    else:
        return None
    lucene = next((one for one in described if one.info.kind == "lucene"), None)
    top_k = None if lucene is None else lucene.weights(store)[0]
    return Engines(None, None, ExactScorer(store, top_k), store.model, folder)


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
    return Engines(dense, sparse, ExactScorer(store, top_k), store.model, described.folder.parent)


def _memory() -> int:
    """Bytes of memory of this machine."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


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

    def is_of(self, store: ForwardStore) -> bool:
        """Whether this was built from ``store``."""
        folders = [folder.resolve() for folder in store.folders]
        return self.info.documents == len(store) and self.info.store_folders(self.folder) == folders

    def size(self) -> int:
        """Bytes of the files."""
        return sum(file.stat().st_size for file in self.folder.iterdir())

    def postings(self, store: ForwardStore) -> Postings:
        """Postings of ``store``, as memory maps."""
        info, model = self.info, store.model
        if info.top_k is None or info.largest_norm is None:
            raise UserError(f"{self.folder / INFO_JSON} is damaged; build the postings again")
        return Postings.open(self.folder, len(store), model.vocab_size, model.cls_dim, info.top_k, info.largest_norm)

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
