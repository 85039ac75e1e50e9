"""The indexes behind a sweep: each is built once from the forward store, and serves every setting that it fits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from pyserini_dupmae.experiments.sweep_settings import Setting
from pyserini_dupmae.index.build import index
from pyserini_dupmae.index.info import INFO_JSON, IndexInfo
from pyserini_dupmae.index.postings import FILES
from pyserini_dupmae.index.quantisation import Quantisation
from pyserini_dupmae.modeling.query_encoder import EncodedQuery
from pyserini_dupmae.search.engines import MODES, Choice, Engines, choose
from pyserini_dupmae.search.exact_scorer import ExactScorer
from pyserini_dupmae.search.faiss_retriever import FaissRetriever, read_faiss
from pyserini_dupmae.search.index_folder import IndexFolder
from pyserini_dupmae.store import ForwardStore, StoreInfo, write_shard
from pyserini_dupmae.util.files import atomic_open, atomic_path, write_json
from pyserini_dupmae.util.log import logger

CANDIDATE_BITS = 8
"""Bits of the impact index that gives the candidates where scores are exact."""


@dataclass(frozen=True)
class Searchable:
    """A setting ready to be searched: its ``engines``, and the ``bytes`` on disk of the indexes that it reads."""

    engines: Engines
    bytes: int


class SweepIndexes:
    """What has been built below ``folder`` from ``store``; anything that is missing is built when it is needed.

    With the ``engine`` "scan" these are postings, with another one FAISS and Lucene indexes.
    """

    def __init__(self, store: ForwardStore, folder: Path, engine: str = "auto"):
        self.store, self.folder, self.engine = store, folder, engine
        self._choice = choose(store, None) if engine == "auto" else Choice(engine, "as asked for")
        if self._choice.engine == "lists" and engine == "auto":
            self._choice = Choice("lists", f"candidates among {len(store)} documents; --engine scan builds postings")
        logger.info("%s", self._choice)

    @contextmanager
    def open(self, setting: Setting) -> Iterator[Searchable]:
        """Open the indexes of ``setting``. Raises `UserError` when FAISS, Pyserini or Java is missing."""
        store = self._reduced(setting)
        searchable = self._scanned(setting, store) if self.engine == "scan" else self._listed(setting, store)
        try:
            yield searchable
        finally:
            searchable.engines.close()

    def _scanned(self, setting: Setting, store: ForwardStore) -> Searchable:
        output = self.folder / f"d{store.model.cls_dim}-k{setting.top_k or 1}-b{setting.bits or 0}"
        if not (output / "postings").exists():
            folders = [folder.parent for folder in store.folders]
            index(folders, to="postings", output=output, top_k=setting.top_k or 1)
        written = IndexFolder.read(output / "postings", "postings")
        read = [written.folder / name for part in MODES[setting.mode] for name in FILES[part]]
        engines = Engines(ExactScorer(store, setting.top_k), output, self._choice, written)
        return Searchable(engines, sum(file.stat().st_size for file in read))

    def _listed(self, setting: Setting, store: ForwardStore) -> Searchable:
        engines, size = Engines(ExactScorer(store, setting.top_k), self.folder, self._choice), 0
        if setting.cls_dim is not None:
            faiss = self._faiss(setting.cls_dim, store)
            engines.dense = FaissRetriever(read_faiss(faiss), IndexInfo.read(faiss).largest_norm)
            size += (faiss / "index").stat().st_size
        if setting.top_k is not None:
            from pyserini_dupmae.search.lucene_retriever import LuceneRetriever

            lucene = self._lucene(setting.top_k, setting.bits or CANDIDATE_BITS)
            scale = IndexInfo.read(lucene).scale
            assert scale is not None, "every Lucene index says its scale"
            engines.sparse = LuceneRetriever(lucene, self.store.terms, scale, store.docids)
            size += sum(file.stat().st_size for file in lucene.iterdir() if file.name != INFO_JSON)
        return Searchable(engines, size)

    def query(self, query: EncodedQuery, setting: Setting) -> EncodedQuery:
        """``query`` as the setting takes it: [CLS] projected as the documents' is, and the largest entries of mu."""
        axes = self._axes(setting)
        if axes is not None:
            query = replace(query, cls=query.cls @ axes)
        return query.largest(setting.query_terms) if setting.query_terms else query

    def _axes(self, setting: Setting) -> np.ndarray | None:
        """What [CLS] is multiplied by, (d', r), or None when it stays as it is."""
        if setting.cls_dim is None or setting.cls_dim == self.store.model.cls_dim:
            return None
        path = self.folder / "axes.npy"
        if not path.exists():
            with atomic_open(path, "wb") as stream:
                np.save(stream, _principal_axes(self.store))
        return np.load(path)[:, : setting.cls_dim]

    def _reduced(self, setting: Setting) -> ForwardStore:
        """The store with the representations that the setting scores with."""
        axes = self._axes(setting)
        quantisation = Quantisation.of(self.store.max_weight, setting.bits) if setting.bits else None
        if axes is None and quantisation is None:
            return self.store
        folder = self.folder / f"d{setting.cls_dim or self.store.model.cls_dim}-b{setting.bits or 0}" / "store"
        if not folder.exists():
            with atomic_path(folder) as temporary:
                _write_reduced(self.store, temporary, axes, quantisation)
        return ForwardStore(folder)

    def _faiss(self, cls_dim: int, store: ForwardStore) -> Path:
        output = self.folder / f"d{cls_dim}"
        if not (output / "faiss").exists():
            index([folder.parent for folder in store.folders], to="faiss", output=output)
        return output / "faiss"

    def _lucene(self, top_k: int, bits: int) -> Path:
        output = self.folder / f"k{top_k}-b{bits}"
        if not (output / "lucene").exists():
            folders = [folder.parent for folder in self.store.folders]
            index(folders, to="lucene", output=output, top_k=top_k, bits=bits)
        return output / "lucene"


def _principal_axes(store: ForwardStore) -> np.ndarray:
    """The principal axes of the documents' [CLS]: (d', d') float32, a column each, by falling variance.

    The first r columns W are the r dimensions that keep most of ĥ_q·(ĥ_d - mean) over all documents and directions of
    ĥ_q. Documents and queries are multiplied by W as they are: leaving the mean in adds the same to every document's
    score of a query, which changes no ranking. The dimensions of a model's own [CLS] have no order, so the first r of
    them would be an arbitrary choice.
    """
    dimensions = store.model.cls_dim
    total, products = np.zeros(dimensions), np.zeros((dimensions, dimensions))
    for shard in store.shards_shown("principal axes"):
        cls = shard.cls.astype(np.float64)
        total += cls.sum(axis=0)
        products += cls.T @ cls
    _, axes = np.linalg.eigh(products - np.outer(total, total) / len(store))
    return np.ascontiguousarray(axes[:, ::-1], np.float32)


def _write_reduced(
    store: ForwardStore, folder: Path, axes: np.ndarray | None, quantisation: Quantisation | None
) -> None:
    """Write the store of the same documents with smaller representations into the new folder ``folder``.

    [CLS] is projected on ``axes`` (d', r), and a weight becomes q * scale, what an impact index of this
    ``quantisation`` holds of it; either stays as it is where None is given.
    """
    checksums: dict[str, str] = {}
    for shard in store.shards_shown("reduced store"):
        cls, weights = shard.cls, shard.weights
        if axes is not None:
            cls = cls @ axes
        if quantisation is not None:
            weights = quantisation.quantise(weights) * quantisation.scale
        name = f"shard-{len(checksums):06d}.safetensors"
        arrays = cls, shard.token_ids, weights
        checksums[name] = write_shard(folder / name, shard.docids(), *arrays, store.model.vocab_size)
    model = store.model if axes is None else replace(store.model, cls_dim=axes.shape[1])
    most = store.max_weight if quantisation is None else (2**quantisation.bits - 1) * quantisation.scale
    write_json(folder / StoreInfo.terms_file, store.terms)
    StoreInfo(model, len(store), store.top_k, most, list(checksums), checksums=checksums).write(folder)
