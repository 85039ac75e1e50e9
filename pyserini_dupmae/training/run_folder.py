"""A training run and its output folder: what it was started with, where it goes on, and the record of its end."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from types import ModuleType
from typing import Any
from zipfile import BadZipFile

import torch
import transformers
from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments, set_seed
from transformers.trainer import TRAINER_STATE_NAME
from transformers.trainer_callback import PrinterCallback
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR

from pyserini_dupmae.evaluation.results import TRAINING_LOG
from pyserini_dupmae.util.errors import UserError, first_line
from pyserini_dupmae.util.files import atomic_open, remove, write_json
from pyserini_dupmae.util.json_text import read_json
from pyserini_dupmae.util.lock import LOCK
from pyserini_dupmae.util.log import is_quiet, logger
from pyserini_dupmae.util.resume import begun_with, difference

RUN = "run.json"
"""In the output folder: what the run was started with."""


@dataclass(frozen=True)
class TrainingResult:
    """What a training run did.

    Args:
        folder: the output folder, which holds the model.
        steps: optimiser steps of the run, those before an interruption among them.
        best_step: the step whose checkpoint is the model, where the best was looked for.
        metrics: the last evaluation, by the Trainer's names (``eval_...``); empty without data to evaluate on.
        seconds: how long this call took.
    """

    folder: Path
    steps: int
    best_step: int | None
    metrics: dict[str, float]
    seconds: float

    def __str__(self) -> str:
        found = [f"{name} {value:.4f}" for name, value in self.metrics.items() if name != "epoch"]
        return ", ".join([f"{self.folder}: {self.steps} steps in {self.seconds:.0f} s", *found])


class TrainingRun:
    """A run from its start, or from its last checkpoint, to its end.

    Args:
        training: the Trainer's options, with ``output_dir``.
        started_with: what decides the run's steps; resuming with anything else would be another run.
        record: the name of the record in the output folder, which is written last.
        resume: go on from the last complete checkpoint, if there is one.
        overwrite: delete what an earlier run left in the folder.
        keep: names of what may lie in the output folder in any case.

    Raises:
        UserError: the folder holds something that would be lost, or a run with other settings.
    """

    def __init__(
        self,
        training: TrainingArguments,
        started_with: Mapping[str, Any],
        record: str,
        *,
        resume: bool,
        overwrite: bool,
        keep: tuple[str, ...] = (),
    ):
        self.output = Path(str(training.output_dir))
        self.started_with, self.record = dict(started_with), record
        self._start = time.monotonic()
        with training.main_process_first(desc="looking at the output folder"):
            self.resumed = resume_from(self.output, started_with, resume, overwrite, keep)
        set_seed(training.seed)

    def complete(
        self,
        make_trainer: Callable[[], Trainer],
        evaluates: bool,
        libraries: Sequence[ModuleType] = (),
        found: Mapping[str, Any] | None = None,
    ) -> TrainingResult:
        """Train, evaluate, save the model and write the record.

        The record names the versions of ``libraries``, beside those of torch and transformers, and what was ``found``
        before the first step.

        Raises:
            UserError: an option that the Trainer refuses, or a reporter that is missing.
        """
        try:
            trainer = make_trainer()
        except (ValueError, RuntimeError, ImportError) as error:
            raise UserError(first_line(error)) from error
        if trainer.is_world_process_zero():
            write_json(self.output / RUN, self.started_with)
        if is_quiet():
            trainer.remove_callback(PrinterCallback)
        trainer.add_callback(_KeepLog(self.output / TRAINING_LOG))
        try:
            trainer.train(resume_from_checkpoint=str(self.resumed) if self.resumed else None)
        except (UnpicklingError, EOFError, BadZipFile) as error:
            if self.resumed is None:
                raise
            raise UserError(
                f"the checkpoint {self.resumed} is damaged, or holds what a checkpoint does not ({first_line(error)}); "
                "delete it to go on from the one before, or give --overwrite instead of --resume to start anew"
            ) from None
        metrics = trainer.evaluate() if evaluates else {}
        trainer.save_model()
        state = trainer.state
        if trainer.is_world_process_zero():
            write_log(self.output / TRAINING_LOG, state.log_history)
            record = {"run": self.started_with, "steps": state.global_step, "best_step": state.best_global_step}
            record |= {"metrics": metrics, "history": state.log_history, **(found or {})}
            record |= {library.__name__: library.__version__ for library in (torch, transformers, *libraries)}
            write_json(self.output / self.record, record)
        seconds = time.monotonic() - self._start
        return TrainingResult(self.output, state.global_step, state.best_global_step, metrics, seconds)


class _KeepLog(TrainerCallback):
    """Writes what the Trainer has logged to ``path``, with each checkpoint."""

    def __init__(self, path: Path):
        self.path = path

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if state.is_world_process_zero:
            write_log(self.path, state.log_history)


def write_log(path: Path, entries: Iterable[Mapping[str, Any]]) -> None:
    """Write what was logged in training, a line of JSON for each entry; a report draws it."""
    with atomic_open(path) as stream:
        stream.writelines(json.dumps(dict(entry)) + "\n" for entry in entries)


def resume_from(
    output: Path, started_with: Mapping[str, Any], resume: bool, overwrite: bool, keep: tuple[str, ...] = ()
) -> Path | None:
    """The checkpoint to go on from, None to start anew; files named in ``keep`` may lie there in any case.

    Raises:
        UserError: the folder holds something that would be lost, or a run with other settings.
    """
    present = [path for path in output.glob("*") if path.name not in (RUN, LOCK, *keep)]
    if not resume:
        if present and not overwrite:
            raise UserError(f"{output} is not empty; add --resume to go on with its run, or --overwrite to delete it")
        if present and not (output / RUN).exists():
            raise UserError(
                f"{output} holds something else than a training run; it is not deleted, give another folder"
            )
        for path in present:
            remove(path)
        return None
    found = last_checkpoint(output)
    if found is not None:
        anew = "give --overwrite instead of --resume to start anew"
        begun = begun_with(output / RUN, anew)
        if begun is None:
            raise UserError(f"{output} has checkpoints, but no {RUN} that says what of; {anew}")
        name = difference(begun, started_with)
        if name is not None:
            raise UserError(
                f"the run in {output} has {name} {begun.get(name)!r}, but this command {started_with[name]!r}; give "
                f"the options it was started with, or {anew}"
            )
    return found


def last_checkpoint(output: Path) -> Path | None:
    """The newest complete checkpoint of a run, None when it has none; incomplete ones are deleted.

    The Trainer's state is written last, so a checkpoint without it was cut short by a kill.
    """
    found: dict[int, Path] = {}
    for folder in output.glob(f"{PREFIX_CHECKPOINT_DIR}-*"):
        try:
            found[int(read_json(folder / TRAINER_STATE_NAME)["global_step"])] = folder
        except (OSError, ValueError, KeyError, TypeError):
            logger.info("deleting %s, which was not written to its end", folder)
            remove(folder)
    return found[max(found)] if found else None
