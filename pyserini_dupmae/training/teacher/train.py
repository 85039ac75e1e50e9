"""Training a cross-encoder: binary cross-entropy over positives and mined negatives, by sentence-transformers."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sentence_transformers
from sentence_transformers.cross_encoder import CrossEncoderTrainer, CrossEncoderTrainingArguments
from sentence_transformers.cross_encoder.evaluation import CrossEncoderRerankingEvaluator
from sentence_transformers.cross_encoder.losses import BinaryCrossEntropyLoss
from transformers.trainer_utils import IntervalStrategy

from pyserini_dupmae.training.arguments import OF_TRAINER, RunArguments, make_parser, parse
from pyserini_dupmae.training.data import SOURCE_HELP, CombinedTrainingSet, load_training_sets
from pyserini_dupmae.training.run_folder import TrainingRun
from pyserini_dupmae.training.teacher.loading import new_cross_encoder
from pyserini_dupmae.training.teacher.pairs import held_out_samples, split, training_pairs
from pyserini_dupmae.util.command import positive_int
from pyserini_dupmae.util.files import user_cache
from pyserini_dupmae.util.log import logger

RESULT = "teacher.json"
"""In the output folder: the record that is written last."""


@dataclass
class TeacherArguments(RunArguments, CrossEncoderTrainingArguments):
    """The Trainer's options with defaults for a cross-encoder."""

    learning_rate: float = field(default=2e-5, metadata={"help": "peak learning rate"})
    num_train_epochs: float = field(default=1.0, metadata={"help": "epochs"})
    per_device_train_batch_size: int = field(default=32, metadata={"help": "pairs a process and step"})
    per_device_eval_batch_size: int = field(default=64, metadata={"help": "held-out pairs a process at a time"})
    eval_steps: float | None = field(default=2000, metadata={"help": "steps between evaluations"})
    save_steps: float = field(default=2000, metadata={"help": "steps between checkpoints"})


def main(argv: Sequence[str]) -> None:
    """Parse the options and train; raises `UserError`."""
    training, options = _parse(argv)
    train(options, training)


def train(options: argparse.Namespace, training: TeacherArguments) -> None:
    """Train a cross-encoder and write it to ``training.output_dir``; raises `UserError`."""
    started_with = _started_with(options, training)
    run = TrainingRun(training, started_with, RESULT, resume=options.resume, overwrite=options.overwrite)
    model = new_cross_encoder(options.source, options.max_length)
    with training.main_process_first(desc="reading the data"):
        sets = load_training_sets(options.data, options.cache, options.negatives)
        data = CombinedTrainingSet(sets, mined=bool(options.negatives))
    trained_on, held_out = split(data, options.eval_queries, training.seed)
    pairs = training_pairs(data, trained_on, options.negatives_per_positive, options.depth, training.seed)
    logger.info("%d pairs of %d queries to train on, %d queries held out", len(pairs), len(trained_on), len(held_out))
    evaluator = None
    if len(held_out):
        at_once = training.per_device_eval_batch_size
        evaluator = CrossEncoderRerankingEvaluator(
            held_out_samples(data, held_out), batch_size=at_once, write_csv=False
        )
    else:
        training.eval_strategy, training.eval_on_start = IntervalStrategy.NO, False

    def trainer() -> CrossEncoderTrainer:
        return CrossEncoderTrainer(model, training, pairs, loss=BinaryCrossEntropyLoss(model), evaluator=evaluator)

    run.complete(trainer, evaluator is not None, libraries=(sentence_transformers,))
    logger.info("done; next: python -m pyserini_dupmae.training.teacher score --teacher %s", run.output)


def _parse(argv: Sequence[str]) -> tuple[TeacherArguments, argparse.Namespace]:
    parser, run = make_parser(TeacherArguments, "teacher train", "Train a cross-encoder as a teacher.")
    run.add_argument(
        "--from",
        dest="source",
        required=True,
        metavar="MODEL",
        help="a cross-encoder, or an encoder that gets a new classifier: a folder or a name on the Hub",
    )
    run.add_argument("--data", nargs="+", required=True, metavar="SOURCE", help=SOURCE_HELP)
    run.add_argument("--negatives", nargs="+", type=Path, default=[], metavar="FILE", help="mined, one a source")
    run.add_argument("--negatives-per-positive", type=positive_int, default=4, metavar="N", help="drawn once")
    run.add_argument("--depth", type=positive_int, default=200, metavar="N", help="of the hardest so many")
    run.add_argument("--max-length", type=positive_int, default=192, help="tokens of a pair, special ones included")
    run.add_argument("--eval-queries", type=int, default=200, help="queries held out, at most a tenth; 0: none")
    run.add_argument(
        "--cache", type=Path, default=user_cache() / "training", metavar="DIR", help="where prepared data is kept"
    )
    return parse(parser, argv)


def _started_with(options: argparse.Namespace, training: TeacherArguments) -> dict[str, Any]:
    """What decides a run's steps; resuming it with anything else would be another run."""
    of_options = ("source", "data", "negatives_per_positive", "depth", "max_length", "eval_queries")
    run = {name: getattr(options, name) for name in of_options} | {name: getattr(training, name) for name in OF_TRAINER}
    return run | {"negatives": [str(path) for path in options.negatives]}
