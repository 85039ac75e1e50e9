"""The engine ``scan``: Eq. 12 of every document, by construction.

Two passes. The fast one goes over the term-major copy of the store, a block of documents at a time: the dense part is a
matrix product, the sparse part is added term by term, both from short numbers. It is off by a bounded amount, so the
documents that can be among the first k are known. The second pass scores those from the store, as the engine of lists
does, so that both give the same rankings.

The fast pass runs on the CPU (`HostPass`) or by torch on any device (`DevicePass`); what is returned is the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Protocol

import numpy as np

from pyserini_dupmae.index.postings import DenseBounds
from pyserini_dupmae.modeling.query_encoder import EncodedQuery
from pyserini_dupmae.search.contenders import Contenders
from pyserini_dupmae.search.exact_scorer import ExactScorer
from pyserini_dupmae.search.ranking import Limits, Ranking, rank
from pyserini_dupmae.search.workers import in_threads

# One rounding is off by a share of at most 2**-8 to bfloat16 and 2**-24 to float32. What is more than that covers the
# products of errors, which are smaller by as much again.
BF16 = 1.01 * 2.0**-8
F32 = 2.0**-23


class FastPass(Protocol):
    """What finds the documents that can be among the first, from `Postings`."""

    queries_at_once: int
    """More queries share the reading of a block, but take more memory."""

    def contenders(self, queries: Sequence[EncodedQuery], hits: int, threads: int) -> list[Contenders]:
        """For each query all documents that can be among its first ``hits``."""


class Scan:
    """Ranks every document of a collection, by Eq. 12 or by one of its parts.

    Args:
        fast: the fast pass over the collection.
        exact: its store.
        dense, sparse: which parts count, in the fast pass too. With the sparse one alone only documents with a token of
            the query are ranked.
    """

    def __init__(self, fast: FastPass, exact: ExactScorer, dense: bool = True, sparse: bool = True):
        self.fast, self.exact, self.dense, self.sparse = fast, exact, dense, sparse

    def search(
        self,
        queries: Sequence[EncodedQuery],
        hits: int,
        certify: int | None = None,
        max_depth: int | None = None,
        threads: int = 1,
    ) -> list[Ranking]:
        """The ranking of each query, all of it proved; the arguments are those of `fusion.Fusion.search`."""
        limits = Limits(hits, hits if certify is None else certify, max_depth)
        rankings: list[Ranking] = []
        for start in range(0, len(queries), self.fast.queries_at_once):
            batch = list(queries[start : start + self.fast.queries_at_once])
            pairs = list(zip(batch, self.fast.contenders(batch, hits, threads), strict=True))
            shares = -(-threads // len(batch))  # a single query's documents are shared out among all threads
            rankings += in_threads(partial(self._exactly, limits=limits, shares=shares), pairs, threads)
        return rankings

    def _exactly(self, pair: tuple[EncodedQuery, Contenders], limits: Limits, shares: int) -> Ranking:
        query, rows = pair[0], pair[1].rows()
        parts = in_threads(lambda share: self.exact.parts(query, share), np.array_split(rows, shares), shares)
        cls, ot = (np.concatenate(of_one) for of_one in zip(*parts, strict=True))
        documents, docids = len(self.exact.docids), self.exact.docids
        return rank(rows, cls, ot, -np.inf, documents, limits, docids, dense=self.dense, sparse=self.sparse)


class BoundedPass:
    """What both passes share: the parts that count, and by how much a fast score can be off."""

    def __init__(self, bounds: DenseBounds, dense: bool, sparse: bool):
        self.bounds, self.dense, self.sparse = bounds, dense, sparse

    def _begin(self, queries: Sequence[EncodedQuery], hits: int, dense_errors: Sequence[float]) -> list[Contenders]:
        """Contenders without a document yet. ``dense_errors``: by how much each query's dense part can be off."""
        found = []
        for query, error in zip(queries, dense_errors, strict=True):
            relative, absolute = F32, 0.0
            if self.sparse:  # all its terms are positive, so their relative errors do not add up
                relative += BF16 + F32 * (len(query.token_ids) + 2)
            if self.dense:
                # The sparse part is at most the score plus the largest dense part.
                absolute = error + 1.01 * relative * norm(query.cls) * self.bounds.largest_norm
            found.append(Contenders(hits, relative, absolute, self.dense))
        return found


def norm(vector: np.ndarray) -> float:
    """The Euclidean norm of a vector (d,), rounded up."""
    return float(np.linalg.norm(vector.astype(np.float64))) * (1 + 2.0**-40)
