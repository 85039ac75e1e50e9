"""The exact parts of Eq. 12 from the forward store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, Protocol, TypeVar

import numpy as np
from scipy.sparse import csr_array

from pyserini_dupmae.modeling.identity import ModelIdentity
from pyserini_dupmae.modeling.query_encoder import EncodedQuery
from pyserini_dupmae.store.docids import TakenDocIds
from pyserini_dupmae.util.errors import UserError

# Rows taken at a time. Fewer would stay in a core's cache, but every time costs something for each shard that they hit.
BLOCK = 2048
IDS_OF_TWO_BYTES = 1 << 16


class Representations(Protocol):
    """What is read of a `ForwardStore`, or of what stands for one."""

    model: ModelIdentity
    top_k: int

    @property
    def folders(self) -> Sequence[object]:
        """Where it lies, for messages."""

    @property
    def docids(self) -> TakenDocIds:
        """Every docid, by row."""

    def gather(
        self, rows: Sequence[int] | np.ndarray, top_k: int | None = None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """As `ForwardStore.gather`."""


StoreT = TypeVar("StoreT", bound=Representations)


class ExactScorer(Generic[StoreT]):
    """A `ranking.Scorer` over a forward store, with I_d the ``top_k`` largest weights of a document.

    Sums are taken in float64, one document at a time and in a fixed order.
    """

    def __init__(self, store: StoreT, top_k: int | None = None):
        self.store = store
        self.top_k = min(top_k or store.top_k, store.top_k)
        self.docids = store.docids

    def parts(self, query: EncodedQuery, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        query_mu = self._weights_by_id(query)
        cls, ot = np.empty(len(rows)), np.empty(len(rows))
        for start in range(0, len(rows), BLOCK):
            block = slice(start, start + BLOCK)
            doc_cls, token_ids, weights = self.store.gather(rows[block], self.top_k)
            cls[block] = _inner_products(doc_cls, query)
            ot[block] = self._bags(token_ids, weights, len(query_mu)) @ query_mu
        if not (finite := np.isfinite(cls) & np.isfinite(ot)).all():
            docid = self.docids[int(rows[int(np.argmin(finite))])]
            raise UserError(
                f"the numbers of the document {docid!r} in {self.store.folders[0]} are damaged; encode the collection "
                "again (search --verify reads all of it)"
            )
        return cls, ot

    def _weights_by_id(self, query: EncodedQuery) -> np.ndarray:
        """The query's weights (ids,) float64, with NaN for ids that are no token's, so that one in a document shows."""
        size = self.store.model.vocab_size
        weights = np.full(max(size, IDS_OF_TWO_BYTES), np.nan)
        weights[:size] = query.mu(size)
        return weights

    def _bags(self, token_ids: np.ndarray, weights: np.ndarray, size: int) -> csr_array:
        """``token_ids`` and ``weights`` (n, k) as one sparse matrix (n, size)."""
        n, k = token_ids.shape
        if token_ids.dtype != np.uint16 and token_ids.size and not 0 <= token_ids.min() <= token_ids.max() < size:
            raise UserError(f"{self.store.folders[0]} is damaged: a token id is not below {size}; encode it again")
        columns, ends = token_ids.ravel().astype(np.int32), np.arange(n + 1, dtype=np.int32) * k
        return csr_array((weights.ravel(), columns, ends), shape=(n, size))


def _inner_products(doc_cls: np.ndarray, query: EncodedQuery) -> np.ndarray:
    """(n, d') float32 with the query's [CLS]: (n,) float64. Not by BLAS, whose sums depend on the other rows."""
    return np.einsum("ij,j->i", doc_cls.astype(np.float64), query.cls.astype(np.float64))
