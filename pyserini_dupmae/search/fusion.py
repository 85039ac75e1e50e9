"""Eq. 12 exactly, over two lists: the threshold algorithm (Fagin, Lotem and Naor, "Optimal aggregation algorithms").

Take the best n documents of the dense and of the sparse part and score their union exactly. A document in neither list
scores at most D_n + S_n, what the two lists leave open. When the k-th best exact score is greater than that, the
top k is proved; otherwise n is doubled, and only what is new in the longer lists is scored. The lists only give
candidates and bounds, never a score.

The engines are three small interfaces, so that another vector index or another inverted index can take their place.
Two details make a ranking a function of the representations alone, whatever the batch and the threads: the dense list
is cut by exact scores, because a vector index may round differently in a batch, and ties are broken by docid.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from pyserini_dupmae.modeling.query_encoder import EncodedQuery
from pyserini_dupmae.search.ranking import Limits, Ranker, Ranking, Scorer, rank
from pyserini_dupmae.search.workers import in_threads

# Shorter lists cost as much as these: most of a call is not spent on its results.
FIRST_DEPTH = 128
# Where the exact score of every document costs less than two lists: for lists that would be longer than this share of
# the collection, and for a query of more terms, as an untrained head makes them.
LONGEST_LIST = 0.25
# The k-th best score exceeds the sum of the k-th best parts only where both lists agree. So lists of k can hardly prove
# k hits, and the first ones are this many times as long where all hits are to be proved.
FIRST_FACTOR = 2
MOST_TERMS = 1500


@dataclass(frozen=True)
class Candidates:
    """The best documents of one part: ``rows`` (m,) int64, and what any other document reaches at most.

    ``bound`` is minus infinity when no document is left, 0 for a sparse list that holds every document with a token of
    the query, and infinity when nothing can be said.
    """

    rows: np.ndarray
    bound: float


class DenseRetriever(Protocol):
    """A vector index. ``flat`` tells whether it knows what it left out; without that no list of it proves anything."""

    @property
    def flat(self) -> bool: ...

    def top(self, queries: Sequence[EncodedQuery], n: int, threads: int) -> list[Candidates]:
        """The n documents of each query with the largest inner product of [CLS]."""


class SparseRetriever(Protocol):
    """An inverted index. It is called from several threads at once."""

    def top(self, query: EncodedQuery, n: int) -> Candidates:
        """The n documents with the largest bag-of-words part, or upper bound of it; none without a common token."""


class Fusion:
    """Ranks documents by Eq. 12, or by one of its parts when the retriever of the other is None.

    With the sparse retriever alone only documents that share a token with the query are ranked. ``scan`` ranks queries
    for which lists do not pay; without it every document is scored one by one.
    """

    def __init__(
        self,
        dense: DenseRetriever | None,
        sparse: SparseRetriever | None,
        exact: Scorer,
        scan: Ranker | None = None,
    ):
        if dense is None and sparse is None:
            raise ValueError("a fusion needs a dense or a sparse retriever")
        self.dense, self.sparse, self.exact, self.scan = dense, sparse, exact, scan

    def search(
        self,
        queries: Sequence[EncodedQuery],
        hits: int,
        certify: int | None = None,
        max_depth: int | None = None,
        threads: int = 1,
    ) -> list[Ranking]:
        """The ranking of each query.

        Args:
            hits: how many documents to return, at least 1.
            certify: how many of them, from the top, are to be proved (default: all).
            max_depth: the longest list to ask for (default: any); what stays unproved is marked so.
            threads: how many queries are worked on at a time. The rankings do not depend on it.

        Raises:
            UserError: the numbers contradict each other; see `Limits`.
        """
        limits = Limits(hits, hits if certify is None else certify, max_depth)
        documents = len(self.exact.docids)
        deepest = min(max_depth or documents, documents)
        depth = min(max(self._first_depth(limits), FIRST_DEPTH), deepest)
        rankings: dict[int, Ranking] = {}
        searches = [_Search(query, self.exact) for query in queries]
        waiting = list(range(len(queries)))
        while waiting:
            scanned = [i for i in waiting if deepest == documents and self._is_cheaper_to_scan(searches[i], depth)]
            listed = [i for i in waiting if i not in scanned]
            scans = self._scan([queries[i] for i in scanned], limits, threads)
            rankings.update(zip(scanned, scans, strict=True))
            found = self._search_to(depth, [searches[i] for i in listed], limits, threads)
            rankings.update(zip(listed, found, strict=True))
            unfilled = [i for i in listed if deepest == documents and searches[i].needs_documents_without_terms]
            scans = self._scan([queries[i] for i in unfilled], limits, threads)
            rankings.update(zip(unfilled, scans, strict=True))
            if depth == deepest:
                break
            waiting = [i for i in listed if not rankings[i].proved and rankings[i].bound < math.inf]
            depth = min(2 * depth, deepest)
        return [rankings[i] for i in range(len(queries))]

    def _first_depth(self, limits: Limits) -> int:
        """How long the first lists are, unless that is too short to be worth a call."""
        proves = self.dense is None or self.dense.flat
        return limits.hits * FIRST_FACTOR if proves and limits.certify == limits.hits else limits.hits

    def _is_cheaper_to_scan(self, search: _Search, depth: int) -> bool:
        documents = len(self.exact.docids)
        has_many_terms = self.sparse is not None and len(search.query.token_ids) > MOST_TERMS
        return depth >= LONGEST_LIST * documents or has_many_terms

    def _scan(self, queries: list[EncodedQuery], limits: Limits, threads: int) -> list[Ranking]:
        if self.scan is not None and queries:
            return self.scan.search(queries, limits.hits, limits.certify, threads=threads)
        documents = len(self.exact.docids)
        rows = np.arange(documents)

        def score(query: EncodedQuery) -> Ranking:
            return self._rank(rows, *self.exact.parts(query, rows), -math.inf, documents, limits)

        return in_threads(score, queries, threads)

    def _search_to(self, depth: int, searches: list[_Search], limits: Limits, threads: int) -> list[Ranking]:
        """The rankings that lists of length ``depth`` give."""
        nearest: list[Candidates | None] = [None] * len(searches)
        if self.dense is not None:
            asked = [i for i, search in enumerate(searches) if self.sparse is None or not search.has_only_terms]
            found = self.dense.top([searches[i].query for i in asked], _with_margin(depth), threads) if asked else []
            for i, candidates in zip(asked, found, strict=True):
                nearest[i] = candidates
        pairs = list(zip(searches, nearest, strict=True))
        return in_threads(lambda pair: self._threshold(pair[0], pair[1], depth, limits), pairs, threads)

    def _threshold(self, search: _Search, nearest: Candidates | None, depth: int, limits: Limits) -> Ranking:
        rows, cls, ot, bound = np.empty(0, np.int64), np.empty(0), np.empty(0), 0.0
        if nearest is not None:
            rows, cls, ot, bound = self._cut(search, nearest, depth)
        if self.sparse is not None and (nearest is None or len(search.query.token_ids)):
            matching = self.sparse.top(search.query, depth)
            new = np.setdiff1d(matching.rows, rows, assume_unique=True)
            parts = search.parts(new)
            rows, cls, ot = (np.concatenate(pair) for pair in zip((rows, cls, ot), (new, *parts), strict=True))
            bound += matching.bound
            if self.dense is None and matching.bound == 0:
                bound = -math.inf  # a document without a common token is no hit
        ranking = self._rank(rows, cls, ot, bound, depth, limits)
        without_terms = nearest is None and self.dense is not None and bound == 0
        search.needs_documents_without_terms = without_terms and not ranking.proved
        return ranking

    def _cut(self, search: _Search, nearest: Candidates, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
        """The n documents with the largest exact [CLS] part and all that tie with the last: rows, both parts, bound.

        The engine's own scores decide nothing: what it left out must lie below the n-th exact part, else it is asked
        for more.
        """
        asked = _with_margin(n)
        while self.dense is not None and nearest.bound < math.inf:
            rows = nearest.rows
            cls, ot = search.parts(rows)
            if len(rows) < asked:
                return rows, cls, ot, nearest.bound
            nth = np.partition(cls, -n)[-n]
            if nth > nearest.bound:
                kept = cls >= nth
                return rows[kept], cls[kept], ot[kept], float(nth)
            asked = min(2 * asked, len(self.exact.docids) + 1)
            (nearest,) = self.dense.top([search.query], asked, threads=1)
        rows = nearest.rows[:n]
        return rows, *search.parts(rows), nearest.bound

    def _rank(
        self, rows: np.ndarray, cls: np.ndarray, ot: np.ndarray, bound: float, depth: int, limits: Limits
    ) -> Ranking:
        parts = {"dense": self.dense is not None, "sparse": self.sparse is not None}
        return rank(rows, cls, ot, bound, depth, limits, self.exact.docids, **parts)


class _Search:
    """A query, and what is known of it from one pass to the next: the exact parts of all documents scored so far.

    ``has_only_terms``: its [CLS] is zero, so that a list of the nearest documents would say nothing.
    ``needs_documents_without_terms``: all others were found, and do not fill the ranking.
    """

    def __init__(self, query: EncodedQuery, exact: Scorer):
        self.query, self._exact = query, exact
        self.has_only_terms = len(query.token_ids) > 0 and not query.cls.any()
        self.needs_documents_without_terms = False
        self._rows = np.empty(0, np.int64)  # rising
        self._parts = np.empty((2, 0))

    def parts(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """`Scorer.parts` of ``rows`` (n,), each of which is computed once."""
        places = np.searchsorted(self._rows, rows)
        is_known = np.zeros(len(rows), bool)
        inside = places < len(self._rows)
        is_known[inside] = self._rows[places[inside]] == rows[inside]
        found = np.empty((2, len(rows)))
        found[:, is_known] = self._parts[:, places[is_known]]
        new = rows[~is_known]
        if len(new):
            found[:, ~is_known] = self._exact.parts(self.query, new)
            joined = np.concatenate([self._rows, new])
            order = np.argsort(joined, kind="stable")
            self._rows = joined[order]
            self._parts = np.concatenate([self._parts, found[:, ~is_known]], axis=1)[:, order]
        return found[0], found[1]


def _with_margin(n: int) -> int:
    """How many documents to ask a vector index for, so that the first n by exact score are among them."""
    return n + n // 16 + 16
