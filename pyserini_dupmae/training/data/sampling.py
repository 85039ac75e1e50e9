"""Several training sets as one, and which positive and which negatives a query of it is trained with in an epoch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from pyserini_dupmae.training.data.training_set import TrainingSet
from pyserini_dupmae.util.errors import UserError
from pyserini_dupmae.util.log import logger


class CombinedTrainingSet:
    """The queries of ``sets`` one after another, over the documents of all of them one after another.

    A row is a document's number among all documents, an index a query's among all queries.

    Args:
        sets: at least one.
        mined: leaves out queries without a hard negative, of which only a part may have been mined.
        scored: for distillation: leaves out queries without a positive or without a negative that has a finite score,
            and gives only such positives and negatives.

    Raises:
        UserError: ``scored``, but a set has no scores; or no query of a set is left.
    """

    def __init__(self, sets: Sequence[TrainingSet], mined: bool = False, scored: bool = False):
        self.sets, self.scored = sets, scored
        self._offsets = np.cumsum([0, *(len(data.documents) for data in sets)])
        usable = _scored if scored else _mined if mined else _all
        indexes = [usable(data) for data in sets]
        self._set_of = np.repeat(np.arange(len(sets)), [len(found) for found in indexes])
        self._index_in_set = np.concatenate(indexes)

    def __len__(self) -> int:
        """Queries."""
        return len(self._set_of)

    @property
    def document_count(self) -> int:
        return int(self._offsets[-1])

    def query(self, index: int) -> str:
        """The text of a query."""
        data, number, _ = self._locate(index)
        return data.queries[number]

    def texts(self, rows: Sequence[int] | np.ndarray) -> list[str]:
        """The texts of documents, in the order of ``rows``."""
        rows = np.asarray(rows, np.int64)
        texts = np.empty(len(rows), object)
        owners = np.searchsorted(self._offsets, rows, side="right") - 1
        for owner in np.unique(owners):
            mine = owners == owner
            texts[mine] = self.sets[owner].documents.texts(rows[mine] - self._offsets[owner])
        return texts.tolist()

    def document_range(self, index: int) -> tuple[int, int]:
        """The first row of the query's source, and the row after its last."""
        owner = self._set_of[index]
        return int(self._offsets[owner]), int(self._offsets[owner + 1])

    def positives(self, index: int) -> tuple[np.ndarray, np.ndarray | None]:
        """The rows (p,) int64 of a query's positives and, with ``scored``, their scores (p,) float32."""
        data, number, offset = self._locate(index)
        return self._selected(data.positives, data.positive_scores, number, offset)

    def negatives(self, index: int) -> tuple[np.ndarray, np.ndarray | None]:
        """The rows (n,) int64 of a query's hard negatives, hardest first, and their scores as `positives`."""
        data, number, offset = self._locate(index)
        return self._selected(data.negatives, data.negative_scores, number, offset)

    def is_positive(self, index: int, rows: np.ndarray) -> np.ndarray:
        """Which of ``rows`` (r,) are positives of a query, scored or not: (r,) bool."""
        data, number, offset = self._locate(index)
        return np.isin(rows, data.positives[number] + offset)

    def _locate(self, index: int) -> tuple[TrainingSet, int, int]:
        owner = self._set_of[index]
        return self.sets[owner], int(self._index_in_set[index]), int(self._offsets[owner])

    def _selected(
        self, rows: Sequence[np.ndarray], scores: Sequence[np.ndarray] | None, number: int, offset: int
    ) -> tuple[np.ndarray, np.ndarray | None]:
        if not self.scored or scores is None:
            return rows[number] + offset, None
        finite = np.isfinite(scores[number])
        return rows[number][finite] + offset, scores[number][finite]


def _all(data: TrainingSet) -> np.ndarray:
    return np.arange(len(data.queries))


def _mined(data: TrainingSet) -> np.ndarray:
    if not any(len(rows) for rows in data.negatives):
        raise UserError(f"{data.name} has no hard negatives; give those of training.mine with --negatives")
    return _kept(data, [len(rows) > 0 for rows in data.negatives], "have no hard negative")


def _scored(data: TrainingSet) -> np.ndarray:
    if data.positive_scores is None or data.negative_scores is None:
        raise UserError(f"distillation needs the teacher's scores of {data.name}; give them with --scores")
    pairs = zip(data.positive_scores, data.negative_scores, strict=True)
    usable = [all(np.isfinite(part).any() for part in scores) for scores in pairs]
    if not any(usable):
        raise UserError(f"no query of {data.name} has a scored positive and a scored negative; see its --scores file")
    return _kept(data, usable, "lack a scored positive or a scored negative")


def _kept(data: TrainingSet, usable: list[bool], otherwise: str) -> np.ndarray:
    """The indexes of ``usable`` queries; says how many are left out and why."""
    if left := usable.count(False):
        logger.info("%s: %d queries %s and are left out", data.name, left, otherwise)
    return np.flatnonzero(usable)


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
        if positive_scores is not None and scores is not None:
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
