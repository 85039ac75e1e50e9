"""Training a cross-encoder: binary cross-entropy over positives and mined negatives, by sentence-transformers."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
from transformers.trainer_utils import IntervalStrategy

from pyserini_dupmae.training.arguments import OF_TRAINER, RunArguments, arguments_for
from pyserini_dupmae.training.data import CombinedTrainingSet, listed, load_training_sets
from pyserini_dupmae.training.data.training_set import Paths
from pyserini_dupmae.training.run_folder import TrainingResult, TrainingRun
from pyserini_dupmae.training.teacher.loading import new_cross_encoder, sentence_transformers
from pyserini_dupmae.util.errors import UserError
from pyserini_dupmae.util.log import logger

sentence_transformers()  # what follows needs it, and this says how to install it

from datasets import Dataset  # noqa: E402
from sentence_transformers.cross_encoder import CrossEncoderTrainer, CrossEncoderTrainingArguments  # noqa: E402
from sentence_transformers.cross_encoder.evaluation import CrossEncoderRerankingEvaluator  # noqa: E402
from sentence_transformers.cross_encoder.losses import BinaryCrossEntropyLoss  # noqa: E402

RESULT = "teacher.json"
"""In the output folder: the record that is written last."""
HELD_OUT_NEGATIVES = 20
"""What a held-out query's positives are ranked among: its hardest negatives."""


@dataclass
class TeacherArguments(RunArguments, CrossEncoderTrainingArguments):
    """The Trainer's options with defaults for a cross-encoder."""

    learning_rate: float = field(default=2e-5, metadata={"help": "peak learning rate"})
    num_train_epochs: float = field(default=1.0, metadata={"help": "epochs"})
    per_device_train_batch_size: int = field(default=32, metadata={"help": "pairs a process and step"})
    per_device_eval_batch_size: int = field(default=64, metadata={"help": "held-out pairs a process at a time"})
    eval_steps: float | None = field(default=2000, metadata={"help": "steps between evaluations"})
    save_steps: float = field(default=2000, metadata={"help": "steps between checkpoints"})


def train_teacher(
    *,
    model: str | os.PathLike,
    data: Paths,
    output: str | os.PathLike,
    negatives: Paths = (),
    negatives_per_positive: int = 4,
    depth: int = 200,
    max_length: int = 192,
    eval_queries: int = 200,
    cache: str | os.PathLike | None = None,
    resume: bool = False,
    overwrite: bool = False,
    arguments: CrossEncoderTrainingArguments | None = None,
    **options: Any,
) -> TrainingResult:
    """Train a cross-encoder on positives and mined negatives, as a teacher for stage 3 (Eq. 15).

    For example::

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
        negatives_per_positive: how many are drawn, once, for each positive.
        depth: of the hardest so many.
        max_length: tokens of a pair, special ones included.
        eval_queries: so many queries, at most a tenth, are held out to see how the cross-encoder ranks; 0 for none.
        cache: where prepared data is kept (default: in the user's cache folder).
        resume: go on from the last complete checkpoint, if there is one.
        overwrite: delete what is in the output folder.
        arguments: the Trainer's options as an object, instead of by name.
        options: fields of sentence-transformers' ``CrossEncoderTrainingArguments``.

    Returns:
        Steps, the evaluation on the held-out queries, and seconds.

    Raises:
        UserError: data or a model that cannot be used, an unknown option, or an output folder that holds something
            else.
    """
    training = cast(CrossEncoderTrainingArguments, arguments_for(TeacherArguments, output, arguments, options))
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
    pairs = training_pairs(combined, trained_on, negatives_per_positive, depth, training.seed)
    logger.info("%d pairs of %d queries to train on, %d queries held out", len(pairs), len(trained_on), len(held_out))
    evaluator = None
    if len(held_out):
        evaluator = CrossEncoderRerankingEvaluator(
            _samples(combined, held_out), batch_size=training.per_device_eval_batch_size, write_csv=False
        )
    else:
        training.eval_strategy, training.eval_on_start = IntervalStrategy.NO, False

    def trainer() -> CrossEncoderTrainer:
        loss = BinaryCrossEntropyLoss(cross_encoder)
        return CrossEncoderTrainer(cross_encoder, training, pairs, loss=loss, evaluator=evaluator)

    return run.complete(trainer, evaluator is not None, libraries=(sentence_transformers(),))


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


def training_pairs(
    data: CombinedTrainingSet, queries: np.ndarray, negatives_per_positive: int, depth: int, seed: int
) -> Dataset:
    """Columns ``query`` and ``document`` (texts, looked up when they are used) and ``label`` (1.0 or 0.0).

    Each positive, and for each positive so many negatives, drawn once and without repetition among the query's
    ``depth`` hardest. (A run has few epochs; more negatives serve it better than other ones in each epoch.)
    """
    generator = np.random.default_rng(seed)
    numbers, rows, labels = [], [], []
    for query in queries.tolist():
        positives, negatives = data.positives(query)[0], data.negatives(query)[0][:depth]
        size = min(negatives_per_positive * len(positives), len(negatives))
        numbers.append(np.full(len(positives) + size, query))
        rows += [positives, generator.choice(negatives, size, replace=False)]
        labels += [np.ones(len(positives), np.float32), np.zeros(size, np.float32)]
    columns = {"query": numbers, "document": rows, "label": labels}
    dataset = Dataset.from_dict({name: np.concatenate(column) for name, column in columns.items()})
    return dataset.with_transform(_Texts(data))


def _samples(data: CombinedTrainingSet, queries: np.ndarray) -> list[dict[str, Any]]:
    """What `CrossEncoderRerankingEvaluator` takes: the text of each query, its positives and its hardest negatives."""
    return [
        {
            "query": data.query(query),
            "positive": data.texts(data.positives(query)[0]),
            "negative": data.texts(data.negatives(query)[0][:HELD_OUT_NEGATIVES]),
        }
        for query in queries.tolist()
    ]


class _Texts:
    """Turns a batch of indexes and rows into texts."""

    def __init__(self, data: CombinedTrainingSet):
        self.data = data

    def __call__(self, batch: dict[str, list[Any]]) -> dict[str, list[Any]]:
        texts = {"query": [self.data.query(query) for query in batch["query"]]}
        return {**texts, "document": self.data.texts(batch["document"]), "label": batch["label"]}
