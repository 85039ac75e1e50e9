"""What is set side by side by ``growth.py``: each builds an index of a store once, opens it, and searches it.

Those of the part ``hybrid`` rank by Eq. 12 (Pyserini's by its own fusion of lists, with the factor that comes nearest
to it), those of the part ``sparse`` by the bag of words alone. What is not of this package is an optional library:
``pip install kannolo bmp pyseismic-lsr``.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from bisection import bisection_order

from pyserini_dupmae import jvm
from pyserini_dupmae.index.build import index
from pyserini_dupmae.index.quantisation import Quantisation
from pyserini_dupmae.modeling.impacts import QUERY_SCALE
from pyserini_dupmae.modeling.query_encoder import EncodedQuery
from pyserini_dupmae.search.engines import open_collection
from pyserini_dupmae.search.index_folder import IndexFolder
from pyserini_dupmae.search.workers import in_threads
from pyserini_dupmae.store import ForwardStore
from pyserini_dupmae.util.files import TEMPORARY_SUFFIX, atomic_path
from pyserini_dupmae.util.lazy import require

Found = list[np.ndarray]
"""Of each query the rows of its hits, best first."""


class System:
    """A way to search; ``kinds`` are the indexes of this package that it reads, ``name`` the folder of its own."""

    name: ClassVar[str]
    part: ClassVar[str]
    kinds: ClassVar[tuple[str, ...]] = ()

    def __init__(self, folder: Path):
        self.folder = folder

    def is_built(self) -> bool:
        return all((self.folder / kind).exists() for kind in self.kinds)

    def build(self) -> None:
        """Write what is missing; a whole file or folder, or nothing."""
        index(self.folder, to=[kind for kind in self.kinds if not (self.folder / kind).exists()])

    def files(self) -> list[Path]:
        """What the search reads on disk, but for the store."""
        folders = [self.folder / kind for kind in self.kinds]
        return [file for folder in folders for file in folder.rglob("*") if file.is_file()]

    def open(self) -> None: ...

    def search(self, queries: Sequence[EncodedQuery], hits: int, threads: int) -> Found:
        """One query, or a batch, on up to so many threads."""
        raise NotImplementedError


class _Ours(System):
    mode: ClassVar[str] = "hybrid"
    engine: ClassVar[str]

    def open(self) -> None:
        self.engines = open_collection(self.folder, self.mode, self.engine)
        self.ranker = self.engines.ranker(self.mode)

    def search(self, queries: Sequence[EncodedQuery], hits: int, threads: int) -> Found:
        return [ranking.rows for ranking in self.ranker.search(queries, hits, threads=threads)]


class Scan(_Ours):
    name, part, kinds, engine = "scan", "hybrid", ("postings",), "scan"


class Lists(_Ours):
    name, part, kinds, engine = "lists", "hybrid", ("faiss", "lucene"), "lists"


class ScanSparse(_Ours):
    name, part, kinds, engine, mode = "scan, sparse part", "sparse", ("postings",), "scan", "sparse"


class Pyserini(System):
    name, part, kinds = "Pyserini's hybrid", "hybrid", ("faiss", "lucene")

    def open(self) -> None:
        jvm.prepare()
        from pyserini.search.faiss import FaissSearcher
        from pyserini.search.hybrid import HybridSearcher
        from pyserini.search.lucene import LuceneImpactSearcher

        store = ForwardStore(self.folder / "store")
        self.terms = store.terms
        self.rows = {docid: row for row, docid in enumerate(store.docids)}
        self.alpha = IndexFolder.read(self.folder / "lucene", "lucene").scale() / QUERY_SCALE
        self.known: dict[str, EncodedQuery] = {}
        dense = _Encoder(lambda text: self.known[text].cls)
        sparse = _Encoder(lambda text: self._impacts(self.known[text]))
        self.searcher = HybridSearcher(
            FaissSearcher(str(self.folder / "faiss"), dense),
            LuceneImpactSearcher(str(self.folder / "lucene"), sparse, min_idf=-1),
        )

    def _impacts(self, query: EncodedQuery) -> dict[str, int]:
        levels = np.rint(query.weights * QUERY_SCALE).astype(int).tolist()
        return {self.terms[i]: level for i, level in zip(query.token_ids.tolist(), levels, strict=True)}

    def search(self, queries: Sequence[EncodedQuery], hits: int, threads: int) -> Found:
        names = [str(number) for number in range(len(queries))]
        self.known = dict(zip(names, queries, strict=True))
        if len(queries) == 1:
            found = {name: self.searcher.search(name, hits, hits, self.alpha) for name in names}
        else:
            found = self.searcher.batch_search(names, names, hits, hits, threads=threads, alpha=self.alpha)
        return [np.array([self.rows[hit.docid] for hit in found[name]], np.int64) for name in names]


class _Encoder:
    """A query encoder as Pyserini's searchers take them."""

    def __init__(self, encode: Any):
        self.encode = encode


class Lucene(System):
    name, part, kinds = "Lucene", "sparse", ("lucene",)

    def open(self) -> None:
        self.engines = open_collection(self.folder, "sparse", "lists")

    def search(self, queries: Sequence[EncodedQuery], hits: int, threads: int) -> Found:
        lucene = self.engines.sparse
        assert lucene is not None, "the mode sparse opens it"
        return in_threads(lambda query: lucene.top(query, hits).rows, queries, threads)


class _Peer(System):
    """A system with an index of its own, ``folder/name``."""

    part = "sparse"

    @property
    def path(self) -> Path:
        return self.folder / self.name.lower()

    def is_built(self) -> bool:
        return self.path.exists()

    def files(self) -> list[Path]:
        return [self.path]


class Kannolo(_Peer):
    name = "kannolo"

    def build(self) -> None:
        library = require("kannolo", "this comparison", "kannolo")
        starts, terms, weights = _bags(ForwardStore(self.folder / "store"))
        with atomic_path(self.path) as temporary:
            library.SparseFlatIndex.build_from_arrays(terms, weights, starts).save(str(temporary))

    def open(self) -> None:
        self.index = require("kannolo", "this comparison", "kannolo").SparseFlatIndex.load(str(self.path))

    def search(self, queries: Sequence[EncodedQuery], hits: int, threads: int) -> Found:
        def one(query: EncodedQuery) -> np.ndarray:
            _, rows = self.index.search(query.token_ids.astype(np.int32), query.weights.astype(np.float32), hits)
            return np.asarray(rows, np.int64)

        return in_threads(one, queries, threads)


class BMP(_Peer):
    name = "BMP"

    def build(self) -> None:
        library = require("bmp", "this comparison", "bmp")
        store = ForwardStore(self.folder / "store")
        starts, terms, weights = _bags(store)
        levels = Quantisation.of(store.max_weight, 8).quantise(weights).tolist()
        names = terms.tolist()
        with atomic_path(self.path) as temporary:
            indexer = library.Indexer(str(temporary), bsize=32, compress_range=False)
            for row in bisection_order(starts, terms, store.model.vocab_size).tolist():
                span = slice(starts[row], starts[row + 1])
                indexer.add_document(str(row), dict(zip(map(str, names[span]), levels[span], strict=True)))
            indexer.finish()

    def open(self) -> None:
        self.searcher = require("bmp", "this comparison", "bmp").Searcher(str(self.path))

    def search(self, queries: Sequence[EncodedQuery], hits: int, threads: int) -> Found:
        def one(query: EncodedQuery) -> np.ndarray:
            weights = zip(map(str, query.token_ids.tolist()), query.weights.tolist(), strict=True)
            names, _ = self.searcher.search(dict(weights), k=hits, alpha=1.0, beta=1.0)
            return np.array(names, np.int64)

        return in_threads(one, queries, threads)


class Seismic(_Peer):
    """Approximate; its defaults for the index, and for the search what its guide calls accurate."""

    name = "Seismic"
    QUERY_CUT, HEAP_FACTOR = 40, 0.7

    def build(self) -> None:
        library = self._library()
        starts, terms, weights = _bags(ForwardStore(self.folder / "store"))
        words = np.arange(terms.max() + 1).astype(library.get_seismic_string())
        dataset = library.SeismicDataset()
        for row in range(len(starts) - 1):
            span = slice(starts[row], starts[row + 1])
            dataset.add_document(str(row), words[terms[span]], weights[span])
        temporary = self.path.with_suffix(TEMPORARY_SUFFIX)
        library.SeismicIndex.build_from_dataset(dataset).save(str(temporary))
        (written,) = self.folder.glob(temporary.name + ".*")  # it adds a suffix of its own
        written.replace(self.path)

    def open(self) -> None:
        self.index = self._library().SeismicIndex.load(str(self.path))

    def search(self, queries: Sequence[EncodedQuery], hits: int, threads: int) -> Found:
        text = self._library().get_seismic_string()
        options = {"k": hits, "query_cut": self.QUERY_CUT, "heap_factor": self.HEAP_FACTOR}
        bags = [(query.token_ids.astype(text), query.weights.astype(np.float32)) for query in queries]
        if len(queries) == 1:
            found = [self.index.search("", *bag, **options) for bag in bags]
        else:
            names = np.arange(len(queries)).astype(text)
            found = self.index.batch_search(names, *map(list, zip(*bags, strict=True)), num_threads=threads, **options)
        return [np.array([hit[2] for hit in hits_of], np.int64) for hits_of in found]

    @staticmethod
    def _library() -> Any:
        return require("seismic", "this comparison", "pyseismic-lsr")


def _bags(store: ForwardStore) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where each document begins (n + 1,) int64, and the term (int32) and the weight (float32) of each posting, the
    terms of a document rising."""
    lengths, terms, weights = [], [], []
    for shard in store.shards:
        order = np.argsort(np.where(shard.weights > 0, shard.token_ids, np.iinfo(np.int32).max), axis=1, kind="stable")
        kept = np.take_along_axis(shard.weights, order, 1)
        lengths.append((kept > 0).sum(axis=1))
        terms.append(np.take_along_axis(shard.token_ids, order, 1)[kept > 0].astype(np.int32))
        weights.append(kept[kept > 0])
    starts = np.concatenate([[0], np.concatenate(lengths).cumsum()]).astype(np.int64)
    return starts, np.concatenate(terms), np.concatenate(weights)


SYSTEMS: dict[str, type[System]] = {
    "scan": Scan,
    "lists": Lists,
    "pyserini": Pyserini,
    "scan-sparse": ScanSparse,
    "lucene": Lucene,
    "kannolo": Kannolo,
    "bmp": BMP,
    "seismic": Seismic,
}
EXACT = {"hybrid": "scan", "sparse": "scan-sparse"}
"""Of each part the system whose hits are those of brute force."""
