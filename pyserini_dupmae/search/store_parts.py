"""The exact parts of Eq. 12 from the forward store."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array

from pyserini_dupmae.queries import EncodedQuery
from pyserini_dupmae.store import ForwardStore

# Rows taken at a time: what they need stays in a core's cache.
BLOCK = 256


class StoreParts:
    """A `fusion.ExactParts` over a forward store, with I_d the ``top_k`` largest weights of a document.

    Sums are taken in float64, row by row in the order of the store, so that a value does not depend on the other rows.
    """

    def __init__(self, store: ForwardStore, top_k: int | None = None):
        self.store = store
        self.top_k = min(top_k or store.top_k, store.top_k)
        self.docids = store.docids

    def parts(self, query: EncodedQuery, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        query_cls = query.cls.astype(np.float64)
        query_mu = np.zeros(self.store.model.vocab_size)
        query_mu[query.token_ids] = query.weights
        cls, ot = np.empty(len(rows)), np.empty(len(rows))
        for start in range(0, len(rows), BLOCK):
            block = slice(start, start + BLOCK)
            doc_cls, token_ids, weights = self.store.gather(rows[block], self.top_k)
            n, k = token_ids.shape
            cls[block] = np.einsum("ij,j->i", doc_cls.astype(np.float64), query_cls)
            ends = np.arange(0, n * k + 1, k) if k else np.zeros(n + 1, np.int64)
            bags = csr_array((weights.ravel(), token_ids.ravel(), ends), shape=(n, len(query_mu)))
            ot[block] = bags @ query_mu
        return cls, ot
