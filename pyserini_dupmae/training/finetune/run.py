"""Fine-tuning as a function: one of the paper's three stages (Eq. 13-15), a DupMAE model in and one out."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from transformers import TrainingArguments
from transformers.trainer_utils import IntervalStrategy

from pyserini_dupmae.modeling.loading import load_model
from pyserini_dupmae.modeling.model import DupMAEModel
from pyserini_dupmae.training.arguments import OF_TRAINER, RunArguments, arguments_for
from pyserini_dupmae.training.data import CombinedTrainingSet, EpochSampling, load_training_set, load_training_sets
from pyserini_dupmae.training.finetune.batches import GroupCollator, Groups, Tokeniser
from pyserini_dupmae.training.finetune.dev import METRICS, MODES, DevSet
from pyserini_dupmae.training.finetune.embedding_teacher import EmbeddingTeacher
from pyserini_dupmae.training.finetune.model import FinetuneModel, Texts
from pyserini_dupmae.training.finetune.objective import Objective
from pyserini_dupmae.training.finetune.settings import PRESETS, STAGES, FinetuneDefaults
from pyserini_dupmae.training.finetune.teacher_check import check_teacher
from pyserini_dupmae.training.finetune.trainer import FinetuneTrainer
from pyserini_dupmae.training.run_folder import TrainingResult, TrainingRun
from pyserini_dupmae.training.settings import settings_from
from pyserini_dupmae.util.errors import UserError, require_positive
from pyserini_dupmae.util.files import user_cache
from pyserini_dupmae.util.lock import locks_output
from pyserini_dupmae.util.log import logger

RESULT = "finetune.json"
"""In the output folder: the record of the run, written last."""

PathOrPaths = str | os.PathLike | Sequence[str | os.PathLike]


@dataclass
class FinetuneArguments(FinetuneDefaults, RunArguments):
    """The Trainer's options with defaults for fine-tuning."""

    load_best_model_at_end: bool | None = field(  # type: ignore[assignment]  # None until it is known
        default=None, metadata={"help": "end with the best checkpoint on the dev set (default: where there is one)"}
    )


@locks_output
def finetune(
    *,
    stage: int,
    model: str | os.PathLike,
    data: PathOrPaths,
    output: str | os.PathLike,
    negatives: PathOrPaths = (),
    scores: PathOrPaths = (),
    dev: str | os.PathLike | None = None,
    dev_queries: int = 500,
    dev_documents: int = 10_000,
    held_out: PathOrPaths = (),
    held_out_negatives: PathOrPaths = (),
    held_out_scores: PathOrPaths = (),
    held_out_queries: int = 200,
    allow_worse_teacher: bool = False,
    grad_cache: int | None = None,
    cache: str | os.PathLike | None = None,
    preset: str = "default",
    resume: bool = False,
    overwrite: bool = False,
    arguments: TrainingArguments | None = None,
    **options: Any,
) -> TrainingResult:
    """Fine-tune a DupMAE model in one of the paper's three stages (Eq. 13-15).

    For example, on a BEIR folder, with its split dev to choose the best checkpoint by::

        import pyserini_dupmae.api as dupmae

        done = dupmae.finetune(
            stage=1, model="MODEL", data="beir/nfcorpus:train", dev="beir/nfcorpus:dev", output="OUT",
            cls_weight=1.0, learning_rate=5e-5, num_train_epochs=2, eval_steps=100, save_steps=100
        )
        print(done.best_step, done.metrics["eval_hybrid_mrr@10"])

    Args:
        stage: 1 for in-batch negatives (Eq. 13), 2 for mined ones (Eq. 14), 3 for a teacher's scores (Eq. 15).
        model: a DupMAE model: a folder or a name on the Hugging Face Hub.
        data: one or several training sets, as docs/training-data.md names them.
        output: folder of the result, a DupMAE model again, and of the checkpoints.
        negatives: mined negatives, a file for each training set; stage 2 needs them.
        scores: the teacher's scores, a file for each training set; stage 3 needs them.
        dev: queries and documents to search every ``eval_steps``.
        dev_queries: how many of its queries are taken, drawn at random.
        dev_documents: how many documents they are searched among: the relevant ones, and others drawn at random.
        held_out: stage 3: queries that nobody was trained on, by which the teacher is compared with the model before
            anything else; without them queries of ``data`` are taken.
        held_out_negatives: mined negatives of these, a file for each of ``held_out``.
        held_out_scores: the teacher's scores of these.
        held_out_queries: how many of the queries are taken, drawn at random.
        allow_worse_teacher: go on where the teacher's MRR@10 is less than the model's own.
        grad_cache: queries in memory at a time (GradCache); without it those of the whole batch.
        cache: where prepared data is kept (default: in the user's cache folder).
        preset: ``default`` or ``paper``, the settings that ``options`` change.
        resume: go on from the last complete checkpoint, if there is one.
        overwrite: delete what is in the output folder.
        arguments: the Trainer's options as an object, instead of by name.
        options: fields of `FinetuneSettings` (the objective), and of transformers' ``TrainingArguments``.

    Returns:
        Steps, the measures of the dev set, and seconds.

    Raises:
        UserError: data or a model that cannot be used, an unknown option, a value out of range, a teacher that ranks
            worse than the model, or an output folder that holds something else.
    """
    if stage not in STAGES:
        raise UserError(f"stage must be 1, 2 or 3, got {stage!r}")
    require_positive(held_out_queries=held_out_queries)
    if _listed(held_out) and stage < 3:
        raise UserError("--held-out compares a teacher with its student, which stage 3 has; leave it out")
    settings = settings_from(PRESETS, preset, options)
    training = arguments_for(FinetuneArguments, output, arguments, options)
    sources = [str(source) for source in _listed(data)]
    files = {"negatives": [Path(path) for path in _listed(negatives)], "scores": [Path(p) for p in _listed(scores)]}
    started_with = {
        "stage": stage,
        "source": str(model),
        "data": sources,
        "dev": None if dev is None else str(dev),
        "dev_queries": dev_queries,
        "dev_documents": dev_documents,
        **{name: getattr(training, name) for name in OF_TRAINER},
        **{name: [str(path) for path in paths] for name, paths in files.items()},
        **asdict(settings),
    }
    run = TrainingRun(training, started_with, RESULT, resume=resume, overwrite=overwrite)
    dupmae = load_model(str(model)).model
    cache = Path(cache or user_cache() / "training")
    combined = CombinedTrainingSet(load_training_sets(sources, cache, **files), mined=stage == 2, scored=stage == 3)
    drawn = settings.group_size - 1 if stage > 1 else 0
    groups = Groups(combined, EpochSampling(combined, training.seed, drawn, settings.depth))
    _require_a_batch(groups, training)
    logger.info("%d queries to train on, %d documents", len(combined), combined.document_count)
    found: dict[str, Any] = {}
    if stage == 3:
        others = load_training_sets(_listed(held_out), cache, held_out_negatives, held_out_scores)
        judged = CombinedTrainingSet(others, scored=True) if others else combined
        student = FinetuneModel(dupmae).to(training.device)
        check = check_teacher(
            student, _on_device(dupmae), judged, held_out_queries, training.seed, held_out=bool(others)
        )
        check.require(may_be_worse=allow_worse_teacher)
        found["teacher_check"] = check.as_record()
    searched = None
    _evaluate_on(training, dev is not None)
    if dev is not None:
        searched = DevSet.sample(load_training_set(str(dev), cache), dev_queries, dev_documents, training.seed)
        logger.info("dev set: %d queries, %d documents of %s", len(searched.queries), len(searched.documents), dev)
    teacher = None
    if settings.embedding_teacher:
        teacher = EmbeddingTeacher(settings.embedding_teacher, dupmae.config.cls_dim, training.device)

    def trainer() -> FinetuneTrainer:
        return FinetuneTrainer(
            FinetuneModel(dupmae),
            Objective(stage, settings),
            searched,
            teacher,
            grad_cache,
            args=training,
            train_dataset=groups,
            eval_dataset=groups if searched else None,  # the Trainer asks for one; `evaluate` searches the dev set
            data_collator=GroupCollator(Tokeniser(dupmae), with_texts=teacher is not None),
        )

    return run.complete(trainer, evaluates=searched is not None, found=found)


def _on_device(model: DupMAEModel) -> Callable[[list[str], bool], Texts]:
    """Tokenises texts, and moves the tensors to where the model is."""
    tokenise = Tokeniser(model)
    return lambda texts, queries: {name: value.to(model.device) for name, value in tokenise(texts, queries).items()}


def _listed(value: PathOrPaths) -> list[str | os.PathLike]:
    return [value] if isinstance(value, str | os.PathLike) else list(value)


def _require_a_batch(groups: Groups, training: TrainingArguments) -> None:
    batch = training.train_batch_size * training.world_size
    if len(groups) < batch and training.dataloader_drop_last:
        raise UserError(
            f"{len(groups)} queries do not fill one batch of {batch}; give a smaller --per_device_train_batch_size"
        )


def _evaluate_on(training: Any, dev: bool) -> None:
    """Set what the Trainer does with a dev set, or without one."""
    if not dev:
        training.eval_strategy, training.eval_on_start = IntervalStrategy.NO, False
        training.load_best_model_at_end = False
        return
    if training.load_best_model_at_end is None:  # the Trainer's own default forbids other steps to save than to search
        training.load_best_model_at_end = True
    measured = [f"{mode}_{metric}" for mode in MODES for metric in METRICS]
    if str(training.metric_for_best_model).removeprefix("eval_") not in measured:
        raise UserError(
            f"--metric_for_best_model must be one of {', '.join(measured)}, got {training.metric_for_best_model!r}"
        )
