"""Whether a teacher ranks better than its student, on the same queries and documents: what stage 3 begins with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from pyserini_dupmae.evaluation import Run, mean, measure
from pyserini_dupmae.modeling.equations import sparsify
from pyserini_dupmae.training.data import CombinedTrainingSet
from pyserini_dupmae.training.finetune.model import FinetuneModel, Represented, Texts
from pyserini_dupmae.training.finetune.objective import score
from pyserini_dupmae.util.errors import UserError
from pyserini_dupmae.util.log import logger

MRR = "RR@10"
NEGATIVES = 50
"""What a query's positives are ranked among: so many of its hardest negatives that have a score."""
TEXTS_A_BATCH = 64


@dataclass(frozen=True)
class TeacherCheck:
    """MRR@10 of ``teacher`` and ``student`` over the same ``queries``; ``held_out``: none of these is trained on."""

    teacher: float
    student: float
    queries: int
    held_out: bool

    def as_record(self) -> dict[str, Any]:
        return asdict(self)

    def require(self, *, may_be_worse: bool) -> None:
        """Say which is better; raise `UserError` when it is the student, unless that ``may_be_worse``."""
        which = "held-out queries" if self.held_out else "of its training queries; --held-out names others"
        found = f"MRR@10 of the teacher {self.teacher:.4f}, of the student {self.student:.4f} ({self.queries} {which})"
        if self.teacher >= self.student:
            logger.info("%s", found)
        elif may_be_worse:
            logger.warning("%s: the teacher is worse, as is allowed", found)
        else:
            raise UserError(
                f"the teacher ranks worse than the model that it is to teach: {found}; train it longer or take "
                "another, or give --allow-worse-teacher"
            )


def check_teacher(
    model: FinetuneModel,
    tokenise: Callable[[list[str], bool], Texts],
    data: CombinedTrainingSet,
    queries: int,
    seed: int,
    *,
    held_out: bool,
) -> TeacherCheck:
    """Rank the scored positives and negatives of some queries by their scores and by the student.

    Where negatives are the student's own hits, its MRR is that of a search of the whole collection.

    Args:
        model: the student.
        tokenise: takes texts and whether they are queries, and gives tensors on the model's device.
        data: with scores.
        queries: so many of it, drawn at random by ``seed``.
    """
    chosen = np.sort(np.random.default_rng(seed).permutation(len(data))[:queries]).tolist()
    by_teacher: dict[str, dict[str, float]] = {}
    by_student: dict[str, dict[str, float]] = {}
    qrels: dict[str, dict[str, int]] = {}
    was_training = model.training
    model.eval()
    for query in chosen:
        (positives, high), (negatives, low) = data.positives(query), data.negatives(query)
        assert high is not None, "a set with scores"
        assert low is not None, "a set with scores"
        rows = np.concatenate([positives, negatives[:NEGATIVES]])
        names, key = [f"{row:012d}" for row in rows.tolist()], str(query)
        qrels[key] = dict.fromkeys(names[: len(positives)], 1)
        by_teacher[key] = dict(zip(names, np.concatenate([high, low[:NEGATIVES]]).tolist(), strict=True))
        scores = _scores(model, tokenise, data.query(query), data.texts(rows))
        by_student[key] = dict(zip(names, scores, strict=True))
    model.train(was_training)
    teacher, student = (mean(measure(Run(run), qrels, (MRR,))[MRR]) for run in (by_teacher, by_student))
    return TeacherCheck(teacher, student, len(chosen), held_out)


@torch.inference_mode()
def _scores(
    model: FinetuneModel, tokenise: Callable[[list[str], bool], Texts], query: str, documents: list[str]
) -> list[float]:
    """Eq. 12 of a query with each of ``documents``."""
    query_cls, query_mu = model.represent_queries(tokenise([query], True))
    found: list[float] = []
    for start in range(0, len(documents), TEXTS_A_BATCH):
        cls, mu = model.represent(tokenise(documents[start : start + TEXTS_A_BATCH], False))
        represented = Represented(query_cls, query_mu, cls, *sparsify(mu, model.config.top_k))
        found += score(represented).sum[0].tolist()
    return found
