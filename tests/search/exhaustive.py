"""Brute force, written without the package's own scoring, and two engines over arrays in memory."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from pyserini_dupmae.modeling.query_encoder import EncodedQuery
from pyserini_dupmae.search.fusion import Candidates


@dataclass
class Documents:
    """A collection in memory, which is also an engine for its exact parts: ``cls`` (n, d'), ``mu`` (n, |V|)."""

    docids: list[str]
    cls: np.ndarray
    mu: np.ndarray

    def parts(self, query: EncodedQuery, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        cls = (self.cls[rows].astype(np.float64) * query.cls.astype(np.float64)).sum(axis=1)
        mu = query.mu(self.mu.shape[1]).astype(np.float64)
        return cls, (self.mu[rows].astype(np.float64) * mu).sum(axis=1)


class NumpyDense:
    """A vector index that rounds, differently in every batch, by as much as its bound allows for."""

    flat = True

    def __init__(self, documents: Documents, noise: float = 1e-3):
        self.documents, self.noise = documents, noise

    def top(self, queries: Sequence[EncodedQuery], n: int, threads: int) -> list[Candidates]:
        random = np.random.default_rng(len(queries) * 1000 + n)
        everything = np.arange(len(self.documents.docids))
        found = []
        for query in queries:
            exact, _ = self.documents.parts(query, everything)
            scores = exact + random.uniform(-self.noise, self.noise, len(exact))
            rows = np.argsort(-scores)[:n]
            bound = scores[rows[-1]] + self.noise if n < len(scores) else -math.inf
            found.append(Candidates(rows, float(bound)))
        return found


class NumpySparse:
    """An inverted index that overestimates each part by up to one tenth."""

    def __init__(self, documents: Documents):
        self.documents = documents

    def top(self, query: EncodedQuery, n: int) -> Candidates:
        _, exact = self.documents.parts(query, np.arange(len(self.documents.docids)))
        bounds = exact * np.random.default_rng(0).uniform(1, 1.1, len(exact))
        rows = np.argsort(-bounds, kind="stable")[: min(n, np.count_nonzero(exact))]
        return Candidates(rows, float(bounds[rows[-1]]) if len(rows) == n else 0.0)


def brute_force(documents: Documents, query: EncodedQuery, mode: str, hits: int) -> list[tuple[str, float]]:
    """Every document scored by Eq. 12 in plain torch, sorted by score and docid: the first (docid, score)."""
    cls = torch.from_numpy(documents.cls).double() @ torch.from_numpy(query.cls).double()
    mu = torch.from_numpy(documents.mu).double() @ torch.from_numpy(query.mu(documents.mu.shape[1])).double()
    total = {"dense": cls, "sparse": mu, "hybrid": cls + mu}[mode].float().tolist()
    pairs = zip(documents.docids, total, mu.tolist(), strict=True)
    found = [(docid, score) for docid, score, matched in pairs if mode != "sparse" or matched > 0]
    return sorted(found, key=lambda pair: (-pair[1], pair[0]))[:hits]


def is_ranking(docids: Sequence[str], documents: Documents, query: EncodedQuery, mode: str) -> bool:
    """Whether ``docids`` are a collection's best by brute force, equal ones in any order.

    Texts that are equal are encoded in batches of other widths, which changes the last digits of their numbers, so that
    what is a tie here has an order in the store. `tests.search.test_fusion` has ties of equal numbers.
    """
    score_of = dict(brute_force(documents, query, mode, len(documents.docids)))
    best = sorted(score_of.values(), reverse=True)[: len(docids)]
    return len(set(docids)) == len(docids) and np.allclose([score_of[docid] for docid in docids], best, 1e-5, 1e-6)
