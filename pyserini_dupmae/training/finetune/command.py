"""The command line of fine-tuning, and the run it starts."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from transformers.trainer_utils import IntervalStrategy

from pyserini_dupmae.modeling.loading import load_model
from pyserini_dupmae.training import run_folder
from pyserini_dupmae.training.arguments import OF_TRAINER, RunArguments, make_parser, parse
from pyserini_dupmae.training.data import (
    SOURCE_HELP,
    CombinedTrainingSet,
    EpochSampling,
    load_training_set,
    load_training_sets,
)
from pyserini_dupmae.training.finetune.batches import GroupCollator, Groups, Tokeniser
from pyserini_dupmae.training.finetune.dev import METRICS, MODES, DevSet
from pyserini_dupmae.training.finetune.embedding_teacher import EmbeddingTeacher
from pyserini_dupmae.training.finetune.model import FinetuneModel
from pyserini_dupmae.training.finetune.objective import Objective
from pyserini_dupmae.training.finetune.settings import PRESETS, STAGES, FinetuneSettings
from pyserini_dupmae.training.finetune.trainer import FinetuneTrainer
from pyserini_dupmae.training.settings import add_options, from_options
from pyserini_dupmae.util.command import positive_int
from pyserini_dupmae.util.errors import UserError
from pyserini_dupmae.util.files import user_cache
from pyserini_dupmae.util.log import logger

RESULT = "finetune.json"
"""In the output folder: the record of the run, written last."""


@dataclass
class FinetuneArguments(RunArguments):
    """The Trainer's options with defaults for fine-tuning."""

    learning_rate: float = field(default=2e-5, metadata={"help": "peak learning rate"})
    num_train_epochs: float = field(default=4.0, metadata={"help": "passes over the queries"})
    per_device_train_batch_size: int = field(default=16, metadata={"help": "queries a process and step"})
    dataloader_drop_last: bool = field(default=True, metadata={"help": "leave out an epoch's last, smaller batch"})
    eval_steps: float | None = field(default=500, metadata={"help": "steps between searches of the dev set"})
    save_steps: float = field(default=500, metadata={"help": "steps between checkpoints"})
    load_best_model_at_end: bool | None = field(
        default=None, metadata={"help": "end with the best checkpoint on the dev set (default: where there is one)"}
    )
    metric_for_best_model: str | None = field(
        default="hybrid_mrr@10", metadata={"help": "cls, ot or hybrid, and _mrr@10 or _ndcg@10"}
    )
    greater_is_better: bool | None = field(default=True, metadata={"help": "of two values the greater is the better"})


def main(argv: Sequence[str] | None = None) -> None:
    """Parse the command line and run; raises `UserError`."""
    training, options = _parse(argv)
    finetune(options, from_options(options, PRESETS), training)


def finetune(options: argparse.Namespace, settings: FinetuneSettings, training: FinetuneArguments) -> None:
    """Run one stage and write the model to ``training.output_dir``; raises `UserError`."""
    run = run_folder.Run(training, options, _started_with(options, settings, training), RESULT)
    dupmae = load_model(options.source).model
    groups, dev = _data(options, settings, training)
    teacher = None
    if settings.embedding_teacher:
        teacher = EmbeddingTeacher(settings.embedding_teacher, dupmae.config.cls_dim, training.device)

    def trainer() -> FinetuneTrainer:
        return FinetuneTrainer(
            FinetuneModel(dupmae),
            Objective(options.stage, settings),
            dev,
            teacher,
            options.grad_cache,
            args=training,
            train_dataset=groups,
            eval_dataset=groups if dev else None,  # the Trainer asks for one; `evaluate` searches ``dev``
            data_collator=GroupCollator(Tokeniser(dupmae), with_texts=teacher is not None),
        )

    if run.complete(trainer, evaluates=dev is not None):
        logger.info("done; next: python -m pyserini_dupmae.encode ... encoder --encoder %s", run.output)


def _data(
    options: argparse.Namespace, settings: FinetuneSettings, training: FinetuneArguments
) -> tuple[Groups, DevSet | None]:
    """What is trained on, and what is searched meanwhile."""
    sets = load_training_sets(options.data, options.cache, options.negatives, options.scores)
    data = CombinedTrainingSet(sets, mined=options.stage == 2, scored=options.stage == 3)
    negatives = settings.group_size - 1 if options.stage > 1 else 0
    groups = Groups(data, EpochSampling(data, training.seed, negatives, settings.depth))
    batch = training.train_batch_size * training.world_size
    if len(groups) < batch and training.dataloader_drop_last:
        raise UserError(
            f"{len(groups)} queries do not fill one batch of {batch}; give a smaller --per_device_train_batch_size"
        )
    logger.info("%d queries to train on, %d documents", len(data), data.document_count)
    if not options.dev:
        training.eval_strategy, training.eval_on_start = IntervalStrategy.NO, False
        training.load_best_model_at_end = False
        return groups, None
    if training.load_best_model_at_end is None:  # the Trainer's own default forbids other steps to save than to search
        training.load_best_model_at_end = True
    measured = [f"{mode}_{metric}" for mode in MODES for metric in METRICS]
    if training.metric_for_best_model.removeprefix("eval_") not in measured:
        raise UserError(
            f"--metric_for_best_model must be one of {', '.join(measured)}, got {training.metric_for_best_model!r}"
        )
    source = load_training_set(options.dev, options.cache)
    dev = DevSet.sample(source, options.dev_queries, options.dev_documents, training.seed)
    logger.info("dev set: %d queries, %d documents of %s", len(dev.queries), len(dev.documents), options.dev)
    return groups, dev


def _parse(argv: Sequence[str] | None) -> tuple[FinetuneArguments, argparse.Namespace]:
    parser, run = make_parser(FinetuneArguments, "finetune", "Fine-tune a DupMAE model.")
    run.add_argument("--stage", type=int, choices=STAGES, required=True, help="Eq. 13, 14 or 15")
    run.add_argument("--from", dest="source", required=True, metavar="MODEL", help="a DupMAE model: folder or name")
    run.add_argument("--data", nargs="+", required=True, metavar="SOURCE", help=SOURCE_HELP)
    run.add_argument(
        "--negatives", nargs="+", type=Path, default=[], metavar="FILE", help="hard negatives, a file a source"
    )
    run.add_argument(
        "--scores", nargs="+", type=Path, default=[], metavar="FILE", help="the teacher's scores, a file a source"
    )
    run.add_argument("--dev", metavar="SOURCE", help="queries and documents to search every --eval_steps")
    run.add_argument("--dev-queries", type=positive_int, default=500, help="at most so many of them, at random")
    run.add_argument(
        "--dev-documents", type=positive_int, default=10_000, help="the relevant documents and others, so many in all"
    )
    run.add_argument(
        "--grad-cache",
        type=positive_int,
        metavar="QUERIES",
        help="queries in memory at a time; without it those of the whole batch",
    )
    run.add_argument(
        "--cache", type=Path, default=user_cache() / "training", metavar="DIR", help="where prepared data is kept"
    )
    group = parser.add_argument_group("the objective (docs/finetuning.md)")
    group.add_argument("--preset", choices=PRESETS, default="default", help="defaults of the options below")
    add_options(group, FinetuneSettings)
    return parse(parser, argv)


def _started_with(
    options: argparse.Namespace, settings: FinetuneSettings, training: FinetuneArguments
) -> dict[str, Any]:
    """What decides a run's steps; resuming it with anything else would be another run."""
    of_options = ("stage", "source", "data", "dev", "dev_queries", "dev_documents")
    run = {name: getattr(options, name) for name in of_options} | {name: getattr(training, name) for name in OF_TRAINER}
    run |= {name: [str(path) for path in getattr(options, name)] for name in ("negatives", "scores")}
    return run | asdict(settings)
