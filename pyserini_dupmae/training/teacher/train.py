"""Training a cross-encoder as the authors' repository does: a softmax over groups of a positive and mined negatives."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np
from transformers import TrainingArguments
from transformers.trainer_utils import IntervalStrategy

from pyserini_dupmae.training.arguments import OF_TRAINER, RunArguments, arguments_for
from pyserini_dupmae.training.data import CombinedTrainingSet, EpochSampling, listed, load_training_sets
from pyserini_dupmae.training.data.training_set import Paths
from pyserini_dupmae.training.run_folder import TrainingResult, TrainingRun
from pyserini_dupmae.training.teacher.loading import new_cross_encoder, sentence_transformers
from pyserini_dupmae.training.teacher.settings import TeacherDefaults
from pyserini_dupmae.training.teacher.trainer import GroupsOfPairs, HeldOut, PairCollator, TeacherTrainer
from pyserini_dupmae.util.errors import UserError, require_positive
from pyserini_dupmae.util.lock import locks_output
from pyserini_dupmae.util.log import logger

RESULT = "teacher.json"
"""In the output folder: the record that is written last."""


@dataclass
class TeacherArguments(TeacherDefaults, RunArguments):
    """The Trainer's options with defaults for a cross-encoder."""


@locks_output
def train_teacher(
    *,
    model: str | os.PathLike,
    data: Paths,
    output: str | os.PathLike,
    negatives: Paths = (),
    negatives_per_positive: int = 7,
    depth: int = 200,
    max_length: int = 200,
    eval_queries: int = 200,
    cache: str | os.PathLike | None = None,
    resume: bool = False,
    overwrite: bool = False,
    arguments: TrainingArguments | None = None,
    **options: Any,
) -> TrainingResult:
    """Train a cross-encoder on positives and mined negatives, as a teacher for stage 3 (Eq. 15).

    The loss of a query is the cross-entropy of its positive under the softmax over its group, as in the authors'
    repository. For example::

        import pyserini_dupmae.api as dupmae

        done = dupmae.train_teacher(model="bert-base-uncased", data="beir/nfcorpus:train", negatives="negatives.jsonl",
                                    output="TEACHER", learning_rate=3e-5)
        print(done.metrics)

    Args:
        model: a cross-encoder, which goes on, or an encoder, which gets a new classifier: a folder or a name on the
            Hugging Face Hub.
        data: one or several training sets, as docs/training-data.md names them.
        output: folder of the result, a cross-encoder of sentence-transformers, and of the checkpoints.
        negatives: mined negatives, a file for each training set; none where the training sets have them.
        negatives_per_positive: of a group; one of the positives, and so many negatives, are drawn anew in each epoch.
        depth: of the hardest so many.
        max_length: tokens of a pair, special ones included.
        eval_queries: so many queries, at most a tenth, are held out to see how the cross-encoder ranks; 0 for none.
        cache: where prepared data is kept (default: in the user's cache folder).
        resume: go on from the last complete checkpoint, if there is one.
        overwrite: delete what is in the output folder.
        arguments: the Trainer's options as an object, instead of by name.
        options: fields of transformers' ``TrainingArguments``.

    Returns:
        Steps, the evaluation on the held-out queries, and seconds.

    Raises:
        UserError: data or a model that cannot be used, an unknown option, or an output folder that holds something
            else.
    """
    require_positive(negatives_per_positive=negatives_per_positive, depth=depth)
    training = arguments_for(TeacherArguments, output, arguments, options)
    started_with = {
        "source": str(model),
        "data": [str(source) for source in listed(data)],
        "negatives_per_positive": negatives_per_positive,
        "depth": depth,
        "max_length": max_length,
        "eval_queries": eval_queries,
        **{name: getattr(training, name) for name in OF_TRAINER},
        "negatives": [str(path) for path in listed(negatives)],
    }
    run = TrainingRun(training, started_with, RESULT, resume=resume, overwrite=overwrite)
    cross_encoder = new_cross_encoder(str(model), max_length)
    with training.main_process_first(desc="reading the data"):
        sets = load_training_sets(data, cache, negatives)
        combined = CombinedTrainingSet(sets, mined=bool(listed(negatives)))
    trained_on, held_out = split(combined, eval_queries, training.seed)
    groups = GroupsOfPairs(combined, trained_on, EpochSampling(combined, training.seed, negatives_per_positive, depth))
    logger.info("%d queries to train on, %d held out", len(trained_on), len(held_out))
    measured = HeldOut(combined, held_out) if len(held_out) else None
    if measured is None:
        training.eval_strategy, training.eval_on_start = IntervalStrategy.NO, False

    def trainer() -> TeacherTrainer:
        return TeacherTrainer(
            cross_encoder,
            measured,
            1 + negatives_per_positive,
            args=training,
            train_dataset=groups,
            eval_dataset=groups if measured else None,  # the Trainer asks for one; `evaluate` ranks what is held out
            data_collator=PairCollator(cross_encoder),
        )

    return run.complete(trainer, measured is not None, libraries=(sentence_transformers(),))


def split(data: CombinedTrainingSet, held_out: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Queries to train on and to evaluate on, of those that have negatives: indexes, (n,) and (m,) int64, ascending.

    ``held_out`` random ones are evaluated on, at most a tenth.

    Raises:
        UserError: no query has negatives.
    """
    queries = np.array([query for query in range(len(data)) if len(data.negatives(query)[0])], np.int64)
    if not len(queries):
        raise UserError(
            "no query has negatives; mine them with pyserini_dupmae.training.mine and give the file with --negatives"
        )
    is_held = np.zeros(len(queries), bool)
    is_held[np.random.default_rng(seed).permutation(len(queries))[: min(held_out, len(queries) // 10)]] = True
    return queries[~is_held], queries[is_held]
