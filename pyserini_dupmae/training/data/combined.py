"""Several training sets as one."""

from __future__ import annotations

from collections.abc import Sequence

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
        if not self.scored:
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
