"""The pair: BM25 and the cosine of a bi-encoder, each brought to 0 to 1 within a query's own collection, and added."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix

# A score of 0 is that of the document at this rank; what is below counts as much.
FLOOR_RANK = 1000


@dataclass(frozen=True)
class Ranges:
    """Per query, (Q,) each: the scores that become 0 and 1, of BM25 and of the cosine."""

    bm25_low: np.ndarray
    bm25_high: np.ndarray
    cosine_low: np.ndarray
    cosine_high: np.ndarray


@dataclass(frozen=True)
class Pair:
    """The teacher of Q queries and N passages.

    ``query_words`` (Q, V) and ``passage_words`` (N, V) are sparse, their product is BM25; ``query_vectors`` (Q, d) and
    ``passage_vectors`` (N, d) have length 1. ``ranges`` are those of each query in its own collection.
    """

    query_words: csr_matrix
    passage_words: csr_matrix
    query_vectors: np.ndarray
    passage_vectors: np.ndarray
    ranges: Ranges

    def scores(self, queries: np.ndarray, passages: np.ndarray) -> np.ndarray:
        """What the pair says of ``passages`` (D,) for ``queries`` (Q',), both by number: (Q', D) from 0 to 2."""
        ranges = self.ranges
        bm25 = (self.query_words[queries] @ self.passage_words[passages].T).toarray()
        cosine = self.query_vectors[queries].astype(np.float32) @ self.passage_vectors[passages].astype(np.float32).T
        return _unit(bm25, ranges.bm25_low[queries], ranges.bm25_high[queries]) + _unit(
            cosine, ranges.cosine_low[queries], ranges.cosine_high[queries]
        )


def ranges_and_candidates(
    query_words: csr_matrix,
    passage_words: csr_matrix,
    query_vectors: np.ndarray,
    passage_vectors: np.ndarray,
    candidates: int,
    at_once: int = 200,
) -> tuple[Ranges, np.ndarray]:
    """The `Ranges` of queries in the collection of ``passage_*``, and the pair's best passages (Q, K), best first.

    Arguments as in `Pair`, of one collection. K is ``candidates``, or the number of passages if that is less;
    ``at_once`` queries are scored for all passages at a time.
    """
    total = passage_words.shape[0]
    floor, kept = min(FLOOR_RANK, total), min(candidates, total)
    limits, best = [], []
    for start in range(0, len(query_vectors), at_once):
        part = slice(start, start + at_once)
        bm25 = (query_words[part] @ passage_words.T).toarray()
        cosine = query_vectors[part].astype(np.float32) @ passage_vectors.astype(np.float32).T
        bounds = [_low(bm25, floor), np.maximum(bm25.max(axis=1), 1e-6), _low(cosine, floor), cosine.max(axis=1)]
        scores = _unit(bm25, bounds[0], bounds[1], cap=False) + _unit(cosine, bounds[2], bounds[3], cap=False)
        best.append(np.argsort(-scores, axis=1, kind="stable")[:, :kept])
        limits.append(np.stack(bounds, axis=1))
    found = np.concatenate(limits).T.astype(np.float32)
    return Ranges(*found), np.concatenate(best)


def _low(scores: np.ndarray, rank: int) -> np.ndarray:
    """The ``rank``-th largest score of each row."""
    return np.partition(scores, -rank, axis=1)[:, -rank]


def _unit(scores: np.ndarray, low: np.ndarray, high: np.ndarray, cap: bool = True) -> np.ndarray:
    span = np.maximum(high - low, 1e-9)[:, None]
    return np.clip((scores - low[:, None]) / span, 0, 1 if cap else None)
