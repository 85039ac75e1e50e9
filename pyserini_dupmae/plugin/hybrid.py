"""Eq. 12 from Pyserini's hybrid command.

Pyserini adds alpha times the sparse score to the dense score, and gives a document that one list misses that list's
smallest score. With a DupMAE model on both sides and alpha 1 the exact searcher takes its place.
"""

from __future__ import annotations

import sys
from functools import cached_property
from pathlib import Path
from typing import Any

import faiss

from pyserini_dupmae.encoders import DupMAEImpactQueryEncoder, DupMAEQueryEncoder
from pyserini_dupmae.index.info import INFO_JSON, IndexInfo
from pyserini_dupmae.modeling.impacts import QUERY_SCALE
from pyserini_dupmae.modeling.query_encoder import QueryModel
from pyserini_dupmae.search.engines import Engines, open_engines
from pyserini_dupmae.store import STORE_JSON, StoreInfo
from pyserini_dupmae.util import log
from pyserini_dupmae.util.errors import UserError

CERTIFIED = 100
"""How many hits of a query lists have to prove, from the top: all of a thousand can mean to score every document."""


def require_model(query_encoder: Any, index_dir: str) -> None:
    """Raise `UserError` for a DupMAE query encoder whose model did not make the index, where ``dupmae.json`` tells.

    Documents that were encoded in another dtype than float32 have their queries encoded in that.
    """
    is_dupmae = isinstance(query_encoder, DupMAEQueryEncoder | DupMAEImpactQueryEncoder)
    if not is_dupmae or not (Path(index_dir) / INFO_JSON).exists():
        return
    info, model = IndexInfo.read(index_dir), query_encoder.query_model
    model.identity.require(info.model, index_dir)
    stores = [folder for folder in info.store_folders(index_dir) if (folder / STORE_JSON).exists()]
    dtype = StoreInfo.read(stores[0]).dtype if stores else model.dtype
    if dtype != model.dtype == "float32":
        query_encoder.query_model = QueryModel.load(model.identity.name, str(model.model.device), dtype)


_AnyBase: Any = object  # the searcher that stands behind is known when Pyserini is imported


class ExactHybridSearcher(_AnyBase):
    """Placed before Pyserini's ``HybridSearcher``: answers with Eq. 12 what can be, and leaves the rest to it."""

    def __init__(self, dense_searcher: Any, sparse_searcher: Any):
        super().__init__(dense_searcher, sparse_searcher)
        self._said: set[str] = set()
        dense, sparse = (getattr(searcher, "query_encoder", None) for searcher in (dense_searcher, sparse_searcher))
        self._both_dupmae = isinstance(dense, DupMAEQueryEncoder) and isinstance(sparse, DupMAEImpactQueryEncoder)
        if self._both_dupmae and _runs_as_command():
            log.show()

    @cached_property
    def _engines(self) -> Engines | UserError:
        """What Eq. 12 is computed from, or what stands in the way of it."""
        try:
            return _open(self.dense_searcher, self.sparse_searcher)
        except UserError as error:
            return error

    def search(
        self,
        query: str,
        k0: int = 10,
        k: int = 10,
        alpha: float = 0.1,
        normalization: bool = False,
        weight_on_dense: bool = False,
    ) -> list[Any]:
        """As Pyserini's; with Eq. 12 the k best documents, however few of them are in a list of k0."""
        engines = self._eq12_engines(alpha, normalization)
        if engines is not None:
            return self._eq12(engines, [query], k, threads=1)[0]
        return super().search(query, k0, k, alpha, normalization, weight_on_dense)

    def batch_search(
        self,
        queries: list[str],
        q_ids: list[str],
        k0: int = 10,
        k: int = 10,
        threads: int = 1,
        alpha: float = 0.1,
        normalization: bool = False,
        weight_on_dense: bool = False,
    ) -> dict[str, list[Any]]:
        """As Pyserini's; see `search`."""
        engines = self._eq12_engines(alpha, normalization)
        if engines is not None:
            return dict(zip(q_ids, self._eq12(engines, queries, k, threads), strict=True))
        return super().batch_search(queries, q_ids, k0, k, threads, alpha, normalization, weight_on_dense)

    def _eq12_engines(self, alpha: float, normalization: bool) -> Engines | None:
        """What gives Eq. 12, where that is asked for and can be had. Says so, or why not, once."""
        if not self._both_dupmae:
            return None
        if alpha != 1:
            obstacle = f"--alpha is {alpha:g}, not 1"
        elif normalization:
            obstacle = "--normalization changes the scores"
        elif isinstance(self._engines, UserError):
            obstacle = str(self._engines)
        else:
            proved = "all hits" if self._engines.choice.engine == "scan" else f"the first {CERTIFIED} hits"
            self._say(f"scores are Eq. 12 exactly, and {proved} of each query are proved; {self._engines.choice}")
            return self._engines
        self._say(f"scores are Pyserini's approximate fusion, not Eq. 12: {obstacle}")
        return None

    def _say(self, message: str) -> None:
        if message not in self._said:
            self._said.add(message)
            log.logger.info(message)

    def _eq12(self, engines: Engines, queries: list[str], k: int, threads: int) -> list[list[Any]]:
        from pyserini.search.faiss import DenseSearchResult

        encoded = self.dense_searcher.query_encoder.represent(queries)
        rankings = engines.ranker().search(encoded, k, certify=min(k, CERTIFIED), threads=threads)
        return [[DenseSearchResult(hit.docid, hit.score) for hit in engines.hits(ranking)] for ranking in rankings]


def exact_hybrid_searcher(base: type) -> type:
    """Pyserini's ``HybridSearcher``, with Eq. 12 where it applies."""
    return type(base.__name__, (ExactHybridSearcher, base), {"__module__": base.__module__, "__doc__": base.__doc__})


def _open(dense_searcher: Any, sparse_searcher: Any) -> Engines:
    """Both searchers' indexes and their store. Raises `UserError` with what stands in the way of Eq. 12."""
    dense, sparse = (searcher.query_encoder.query_model for searcher in (dense_searcher, sparse_searcher))
    if dense.identity.fingerprint != sparse.identity.fingerprint:
        raise UserError("the two sides have different models")
    if sparse_searcher.min_idf > 0:
        raise UserError(f"--min-idf {sparse_searcher.min_idf} drops terms")
    if not isinstance(faiss.downcast_index(dense_searcher.index), faiss.IndexFlat):
        scale = IndexInfo.read(sparse_searcher.index_dir).scale
        nearest = f"; --alpha {scale / QUERY_SCALE:.3g} comes nearest" if scale else ""
        raise UserError(f"the FAISS index {dense_searcher.index_dir} is not flat{nearest}")
    engines = open_engines(dense_searcher.index_dir, sparse_searcher.index_dir, dense_searcher.index, engine="auto")
    engines.device = str(dense.model.device)
    return engines


def _runs_as_command() -> bool:
    spec = getattr(sys.modules.get("__main__"), "__spec__", None)
    return spec is not None and spec.name.startswith("pyserini.")
