"""The engines that search a collection, opened and checked: which there are is said here and nowhere else.

A mode names the parts of Eq. 12 that count, an engine how the documents are found: ``lists`` asks a FAISS and a Lucene
index for the best of each part (`pyserini_dupmae.search.fusion`), ``scan`` scores every document from a term-major copy
of the store (`pyserini_dupmae.search.scan`). Both give the same rankings. `choose` has the rule of ``auto``.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pyserini_dupmae.index.info import INFO_JSON
from pyserini_dupmae.index.postings import BLOCK, Postings
from pyserini_dupmae.search.exact_scorer import ExactScorer
from pyserini_dupmae.search.faiss_retriever import FaissRetriever, read_faiss
from pyserini_dupmae.search.fusion import Fusion
from pyserini_dupmae.search.index_folder import IndexFolder
from pyserini_dupmae.search.ranking import Ranker, Ranking
from pyserini_dupmae.store import STORE_JSON, ForwardStore
from pyserini_dupmae.store.docids import TakenDocIds
from pyserini_dupmae.util.command import ENGINES
from pyserini_dupmae.util.errors import UserError
from pyserini_dupmae.util.lock import alone
from pyserini_dupmae.util.log import logger
from pyserini_dupmae.util.machine import memory

if TYPE_CHECKING:
    from pyserini_dupmae.search.device_pass import DevicePostings
    from pyserini_dupmae.search.lucene_retriever import LuceneRetriever
MODES = {"dense": ("dense",), "sparse": ("sparse",), "hybrid": ("dense", "sparse")}
"""Mode -> the parts of Eq. 12 that count: [CLS], the bag of words, or both."""

LISTS = {"dense": "faiss", "sparse": "lucene"}
"""Part -> the kind of index that gives its lists."""

SHARE_OF_MEMORY = 0.75
"""``auto`` scans postings that take at most this share of the memory."""


class Hit(NamedTuple):
    """One document found: ``score`` by the searcher's mode, and both parts of Eq. 12."""

    docid: str
    score: float
    cls_score: float
    ot_score: float


class Choice(NamedTuple):
    """An engine, ``scan`` or ``lists``, and why it is taken."""

    engine: str
    why: str

    def __str__(self) -> str:
        return f"engine {self.engine}: {self.why}"


def choose(store: ForwardStore, postings: IndexFolder | None, lists_are_there: bool = True) -> Choice:
    """The rule of ``auto`` for a collection, of which ``postings`` may have been written.

    A scan from memory costs less than lists, whatever the number of queries, terms and hits. So it is taken where it
    can be made from memory: of a collection of one block, which is copied when it is opened, and of a larger one whose
    postings have been written and leave a quarter of the memory free. Where there are no lists it is all there is.
    """
    documents = len(store)
    if documents <= BLOCK:
        return Choice("scan", f"all {documents} documents are scored, from memory")
    if not lists_are_there:
        return Choice("scan", f"all {documents} documents are scored, since there are no indexes to take lists from")
    if postings is None:
        faster = f"python -m pyserini_dupmae.index --index {store.folders[0].parent} --to-postings"
        return Choice("lists", f"candidates among {documents} documents; a scan, which is faster, needs {faster}")
    sizes = f"{postings.size() / 1e9:.1f} GB of postings, {memory() / 1e9:.1f} GB of memory"
    if postings.size() > SHARE_OF_MEMORY * memory():
        return Choice("lists", f"candidates among {documents} documents, too many to scan ({sizes})")
    return Choice("scan", f"all {documents} documents are scored ({sizes})")


@dataclass
class Engines:
    """What a search reads: a collection's store, and those of its indexes that are open.

    ``folder`` is where the indexes lie and postings are written, ``written`` those that are there and of this store.
    ``choice`` says what ranks, ``device`` where a scan is computed, which is as torch calls it. ``whole``, number
    and digest of the documents in the folder, is there where the store is a part of them: then postings are in memory.
    """

    exact: ExactScorer[ForwardStore]
    folder: Path
    choice: Choice
    written: IndexFolder | None = None
    dense: FaissRetriever | None = None
    sparse: LuceneRetriever | None = None
    device: str = "cpu"
    whole: list[Any] | None = None

    def ranker(self, mode: str | None = None) -> Ranker:
        """What ranks by ``mode`` (default: by every part whose index is open, or by both where none is).

        Raises:
            UserError: an unknown mode, or one that needs an index that was not opened.
        """
        open_parts = tuple(part for part in MODES["hybrid"] if getattr(self, part) is not None)
        parts = (open_parts or MODES["hybrid"]) if mode is None else require_mode(mode)
        if self.choice.engine == "scan":
            return self._scan(parts)
        for part in parts:
            if part not in open_parts:
                raise UserError(f"the searcher was opened without its {part} part; open it in the mode hybrid")
        dense, sparse = (getattr(self, part) if part in parts else None for part in MODES["hybrid"])
        scan_pays = choose(self.exact.store, self.written).engine == "scan"
        return Fusion(dense, sparse, self.exact, self._scan(parts) if scan_pays else None)

    def _scan(self, parts: Collection[str]) -> Ranker:
        from pyserini_dupmae.search.device_pass import DevicePass
        from pyserini_dupmae.search.host_pass import HostPass
        from pyserini_dupmae.search.scan import Scan

        counts = {"dense": "dense" in parts, "sparse": "sparse" in parts}
        if self.device == "cpu":
            return Scan(HostPass(self._postings, **counts), self.exact, **counts)
        return Scan(DevicePass(self._on_device, **counts), self.exact, **counts)

    @cached_property
    def _on_device(self) -> DevicePostings:
        from pyserini_dupmae.search.device_pass import DevicePostings

        return DevicePostings(self._postings, self.device)

    @cached_property
    def _postings(self) -> Postings:
        store = self.exact.store
        if self.written is None and len(store) > BLOCK and self.whole is None:
            self.written = self._write()
        return Postings.of(store, self.exact.top_k) if self.written is None else self.written.postings(store)

    def _write(self) -> IndexFolder:
        from pyserini_dupmae.index.build import index

        logger.info("writing the postings that the engine scan reads; the next search finds them")
        stores = [folder.parent for folder in self.exact.store.folders]
        with alone(self.folder, wait=True):
            index(stores, to="postings", output=self.folder, top_k=self.exact.top_k, overwrite=True)
        return IndexFolder.read(self.folder / "postings", "postings")

    def hits(self, ranking: Ranking) -> list[Hit]:
        """A ranking by docid."""
        return hits_of(ranking, self.exact.docids)

    def document(self, docid: str | int) -> Any | None:
        """Pyserini's ``Document`` from the Lucene index, which is opened if it is not yet; None when it has none."""
        if self.sparse is None:
            self.sparse = _open_lucene(IndexFolder.read(self.folder / "lucene", "lucene"), self.exact.store)
        return self.sparse.document(docid)

    def close(self) -> None:
        if self.sparse is not None:
            self.sparse.close()


def hits_of(ranking: Ranking, docids: TakenDocIds) -> list[Hit]:
    """A ranking by docid."""
    scores = (ranking.scores, ranking.cls_scores, ranking.ot_scores)
    return list(map(Hit, docids.take(ranking.rows.tolist()), *(column.tolist() for column in scores)))


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


def open_collection(
    folder: str | os.PathLike,
    mode: str = "hybrid",
    engine: str = "auto",
    shard_id: int = 0,
    shard_num: int = 1,
    verify: bool = False,
) -> Engines:
    """Open what ``mode`` and ``engine`` read of an encoded collection, and say in the log which engine ranks, and why.

    A scan reads the store alone, so that neither FAISS nor Java has to be there. With ``shard_num`` above 1 it is one
    shard of a collection: a folder that was encoded as that shard, or a part of the folder's documents. With ``verify``
    all files are read first, and compared with their checksums.

    Raises:
        UserError: as `open_engines` and `ForwardStore.shard`, or an unknown mode or engine.
    """
    folder = Path(folder)
    lists = [LISTS[part] for part in require_mode(mode)]
    there = [kind for kind in ("faiss", "lucene", "postings") if (folder / kind / INFO_JSON).exists()]
    if require_engine(engine) == "lists" or not (there or engine == "scan" or (folder / "store" / STORE_JSON).exists()):
        there = [*lists, *({"postings"} & set(there))]
    found = {kind: IndexFolder.read(folder / kind, kind) for kind in there}
    engines = _open(found, folder, lists, engine, shard=(shard_id, shard_num))
    if verify:
        engines.exact.store.verify()
        for one in found.values():
            one.verify()
    logger.info("%s", engines.choice)
    return engines


def open_engines(
    faiss_dir: str | os.PathLike | None,
    lucene_dir: str | os.PathLike | None,
    faiss_index: Any | None = None,
    engine: str = "lists",
) -> Engines:
    """Open the indexes of one collection, of which one may be None, and the store that they were built from.

    Args:
        faiss_dir, lucene_dir: the folders of the indexes, which tell where the store is. Postings are looked for beside
            the first of them.
        faiss_index: the FAISS index of ``faiss_dir``, when it has been read already.
        engine: what is to rank. A scan only reads what the indexes tell about their store.

    Raises:
        UserError: a folder holds no such index, the two are of different models or collections, the store is gone or
            is another one, or FAISS, Pyserini or Java is missing.
    """
    places = [(kind, place) for kind, place in (("faiss", faiss_dir), ("lucene", lucene_dir)) if place is not None]
    if not places:
        raise ValueError("at least one index is needed")
    found = {kind: IndexFolder.read(place, kind) for kind, place in places}
    folder = next(iter(found.values())).folder.parent
    if (folder / "postings" / INFO_JSON).exists():
        found["postings"] = IndexFolder.read(folder / "postings", "postings")
    return _open(found, folder, [kind for kind, _ in places], engine, faiss_index)


def _open(
    found: Mapping[str, IndexFolder],
    folder: Path,
    lists: Collection[str],
    engine: str,
    faiss_index: Any | None = None,
    shard: tuple[int, int] = (0, 1),
) -> Engines:
    """The engines of the collection whose indexes, by kind, are ``found``; ``lists`` are the kinds that it searches."""
    indexes = {kind: one for kind, one in found.items() if engine != "lists" or kind in lists}
    for one, other in pairwise(indexes.values()):
        one.require_same_collection(other)
    store = next(iter(indexes.values())).store() if indexes else ForwardStore(folder / "store")
    decides = indexes.get("lucene") or indexes.get("postings")
    part = store.shard(*shard)
    exact = ExactScorer(part, None if decides is None else decides.top_k(store))
    if part is not store:
        if engine == "lists":
            raise UserError(
                f"the indexes in {folder} are of all {len(store)} documents; a part of them is scanned: leave out "
                "--engine lists, or encode and index the parts with --shard-id and --shard-num"
            )
        why = f"all {len(part)} documents of shard {shard[0]} of {shard[1]} are scored, from memory"
        return Engines(exact, folder, Choice("scan", why), whole=[len(store), store.digest()])
    written = found.get("postings")
    if written is not None:
        is_complete = written.info.largest_error is not None  # an older version wrote others
        is_usable = is_complete and written.is_of(store) and written.info.top_k == exact.top_k
        written = written if is_usable and all(map(written.is_built_with, indexes.values())) else None
    if engine == "auto":
        choice = choose(store, written, lists_are_there=all(kind in found for kind in lists))
    else:
        how = {"scan": f"all {len(store)} documents are scored", "lists": f"candidates among {len(store)} documents"}
        choice = Choice(engine, f"{how[engine]}, as asked for")
    engines = Engines(exact, folder, choice, written)
    if choice.engine == "lists":
        if "lucene" in lists:
            engines.sparse = _open_lucene(found["lucene"], store)
        if "faiss" in lists:
            engines.dense = _open_faiss(found["faiss"], faiss_index)
    return engines


def _open_lucene(lucene: IndexFolder, store: ForwardStore) -> LuceneRetriever:
    from pyserini_dupmae.search.lucene_retriever import LuceneRetriever

    return LuceneRetriever(lucene.folder, store.terms, lucene.scale(), store.docids)


def _open_faiss(faiss: IndexFolder, index: Any | None) -> FaissRetriever:
    retriever = FaissRetriever(read_faiss(faiss.folder) if index is None else index, faiss.info.largest_norm)
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
