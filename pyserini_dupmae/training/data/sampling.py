"""Which positive and which negatives a query is trained with in an epoch."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pyserini_dupmae.training.data.combined import CombinedTrainingSet
from pyserini_dupmae.util.errors import UserError


class Draw(NamedTuple):
    """Rows of a `CombinedTrainingSet`: a positive, negatives (n,) int64, and the scores of both, (1 + n,) float32."""

    positive: int
    negatives: np.ndarray
    scores: np.ndarray | None = None


class EpochSampling:
    """Draws documents for each query, anew in each epoch, by the seed, the epoch and the query's index alone.

    One of the positives, each with the same chance, and ``negatives_per_query`` of the hard negatives without
    replacement. Where there are fewer, other documents of the query's source fill up, none of them a positive; a set
    with scores has none for such documents, and repeats its negatives instead.

    Args:
        data: the queries.
        seed: of the training run.
        negatives_per_query: 0 for in-batch negatives alone.
        depth: only so many of a query's negatives, the hardest, are drawn from; 0: all.
    """

    def __init__(self, data: CombinedTrainingSet, seed: int, negatives_per_query: int, depth: int = 0):
        self.data, self.seed = data, seed
        self.negatives_per_query, self.depth = negatives_per_query, depth

    def draw(self, index: int, epoch: int) -> Draw:
        """The documents of query ``index`` in ``epoch``.

        Raises:
            UserError: negatives are wanted, but every document of the source is a positive of the query.
        """
        generator = np.random.default_rng((self.seed, epoch, index))
        positives, positive_scores = self.data.positives(index)
        chosen = generator.integers(len(positives))
        rows, scores = self.data.negatives(index)
        hardest = len(rows) if not self.depth else min(self.depth, len(rows))
        order = generator.permutation(hardest)[: self.negatives_per_query]
        if positive_scores is not None:
            order = np.resize(order, self.negatives_per_query)
            scores = np.concatenate([positive_scores[chosen : chosen + 1], scores[order]])
            return Draw(int(positives[chosen]), rows[order], scores)
        negatives = rows[order]
        if len(negatives) < self.negatives_per_query:
            negatives = self._filled(index, negatives, generator)
        return Draw(int(positives[chosen]), negatives)

    def _filled(self, index: int, negatives: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """``negatives`` and random documents of the same source, each once unless the source has too few."""
        first, end = self.data.document_range(index)
        excluded = np.union1d(negatives, self.data.positives(index)[0])
        drawn = generator.choice(end - first, min(end - first, self.negatives_per_query + len(excluded)), replace=False)
        others = drawn[~np.isin(drawn + first, excluded)] + first
        found = np.concatenate([negatives, others])
        if not len(found):
            raise UserError(
                f"every document is a positive of the query {self.data.query(index)!r}; no negative is left"
            )
        return np.resize(found, self.negatives_per_query)
