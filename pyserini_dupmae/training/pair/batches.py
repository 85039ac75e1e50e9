"""Which queries share a batch, and which passages: neighbours, so that one's candidates are hard for another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pyserini_dupmae.training.pair.prepare import Prepared

NEIGHBOURS = 14
"""The other queries of a group are drawn from so many of the most similar ones."""

NEAR = 7
"""One passage of a query is drawn from so many of its best candidates."""


@dataclass(frozen=True)
class Drawn:
    """A batch: ``queries`` (Q,) and ``passages`` (D,), each once, by number."""

    queries: np.ndarray
    passages: np.ndarray


class Batches:
    """Draws batches without end; a query comes again when nearly all others have been.

    Args:
        data: what is drawn from.
        groups: a batch holds so many groups of queries, each within one source.
        group_size: queries of a group, similar to each other by the pair's bi-encoder.
        passages_per_query: one is relevant, where it is known, else the pair's best; one is among the best; the
            others are any of the candidates.
        seed: of all that is drawn.
    """

    def __init__(self, data: Prepared, groups: int, group_size: int, passages_per_query: int, seed: int):
        self.data, self.groups, self.group_size = data, groups, group_size
        self.passages_per_query = passages_per_query
        self.sources = np.array([query.source for query in data.queries])
        self.random = np.random.default_rng(seed)
        self.used = np.zeros(len(data.queries), bool)

    def state(self) -> tuple[Any, list[int]]:
        """What the coming draws depend on, in Python's own types."""
        return self.random.bit_generator.state, np.flatnonzero(self.used).tolist()

    def set_state(self, state: tuple[Any, list[int]]) -> None:
        """Draw on from a `state`."""
        self.random.bit_generator.state = state[0]
        self.used[:] = False
        self.used[state[1]] = True

    def draw(self) -> Drawn:
        """The next batch."""
        if (~self.used).sum() < 4 * self.groups * self.group_size:
            self.used[:] = False
        queries = [query for _ in range(self.groups) for query in self._group()]
        passages = dict.fromkeys(passage for query in queries for passage in self._passages(query))
        return Drawn(np.array(queries), np.array(list(passages)))

    def _group(self) -> list[int]:
        """A query that was not used yet and others of its source that resemble it."""
        free = np.flatnonzero(~self.used)
        first = self.random.choice(free)
        others = free[(self.sources[free] == self.sources[first]) & (free != first)]
        vectors = self.data.pair.query_vectors
        similar = vectors[others].astype(np.float32) @ vectors[first].astype(np.float32)
        nearest = others[np.argsort(-similar, kind="stable")[:NEIGHBOURS]]
        more = self.random.choice(nearest, min(self.group_size - 1, len(nearest)), replace=False)
        group = [int(first), *more.tolist()]
        self.used[group] = True
        return group

    def _passages(self, query: int) -> list[int]:
        best, positives = self.data.candidates[query], self.data.queries[query].positives
        first = int(self.random.choice(positives)) if positives else int(best[0])
        takes_best = best[0] != first and self.random.random() < 0.5
        near = best[0] if takes_best else best[self.random.integers(1, min(NEAR, len(best)))]
        others = self.random.choice(best[1:], min(self.passages_per_query - 2, len(best) - 1), replace=False)
        return [first, int(near), *others.tolist()]
