"""The Trainer's options, by name from Python and as options of a command."""

from __future__ import annotations

import copy
import os
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from typing import Any

import torch
from transformers import HfArgumentParser, TrainingArguments

from pyserini_dupmae.training.command import RunDefaults
from pyserini_dupmae.util.command import LARGEST_SEED
from pyserini_dupmae.util.errors import UserError, first_line
from pyserini_dupmae.util.progress import is_watched

OF_TRAINER: tuple[str, ...] = ("seed", "learning_rate", "per_device_train_batch_size", "gradient_accumulation_steps")
OF_TRAINER += ("world_size", "num_train_epochs", "max_steps", "warmup_steps", "weight_decay")
"""The Trainer's options that decide a run's steps."""

_RANGES = {
    "seed": (0, LARGEST_SEED),
    "data_seed": (0, LARGEST_SEED),
    "learning_rate": (0, 100),
    "weight_decay": (0, 100),
    "warmup_steps": (0, 1e12),
    "num_train_epochs": (0, 1e9),
    "per_device_train_batch_size": (1, 1e9),
    "per_device_eval_batch_size": (1, 1e9),
    "gradient_accumulation_steps": (1, 1e9),
    "dataloader_num_workers": (0, 1e4),
}
"""What is not in these ranges makes no sense, or cannot be meant."""


@dataclass
class RunArguments(RunDefaults, TrainingArguments):
    """The Trainer's options, with the defaults that all training shares."""

    remove_unused_columns: bool = field(default=False, metadata={"help": "has no meaning here"})
    ddp_find_unused_parameters: bool | None = field(default=False, metadata={"help": "all parameters are used"})
    disable_tqdm: bool | None = field(
        default_factory=lambda: not is_watched(), metadata={"help": "lines in place of a bar"}
    )
    dataloader_pin_memory: bool = field(default=torch.cuda.is_available(), metadata={"help": "faster copies to a GPU"})


def arguments_for(
    kind: type[RunArguments],
    output: str | os.PathLike,
    ready: TrainingArguments | None,
    options: Mapping[str, Any],
) -> TrainingArguments:
    """What the Trainer is given for a run into ``output``: a copy of ``ready``, or a ``kind`` with ``options``.

    Raises:
        UserError: the Trainer has no such option or refuses its value, or both ``ready`` and ``options`` are given.
    """
    if ready is not None:
        if options:
            raise UserError(f"set {', '.join(options)} in the arguments object that is given, not beside it")
        ready = copy.copy(ready)  # the run changes some of them
        ready.output_dir = str(output)
        _require_sense(ready)
        return ready
    known = [item.name for item in fields(kind) if item.init]
    for name in options:
        if name not in known or name == "output_dir":
            close = get_close_matches(name, known, 1)
            raise UserError(f"there is no option {name!r}" + (f"; did you mean {close[0]!r}?" if close else ""))
    try:
        made = kind(output_dir=str(output), **options)
    except (TypeError, ValueError, ImportError, RuntimeError) as error:
        raise UserError(first_line(error)) from None
    _require_a_process_a_gpu(made)
    _require_sense(made)
    return made


def trainers_parser(kind: type[RunArguments], prog: str) -> HfArgumentParser:
    """A parser of the Trainer's options alone, those that ``kind`` has; messages call the command ``prog``."""
    return HfArgumentParser(
        kind,  # type: ignore[arg-type]  # its annotation is a NewType that no class has
        prog=prog,
        allow_abbrev=False,
        usage=f"{prog} ...",
    )


def from_options(kind: type[RunArguments], options: Namespace) -> RunArguments:
    """What `trainers_parser` has parsed, as the Trainer takes it; raises `UserError` for what it refuses."""
    try:
        training = kind(**vars(options))
    except (TypeError, ValueError, ImportError, RuntimeError) as error:
        raise UserError(first_line(error)) from None
    _require_a_process_a_gpu(training)
    _require_sense(training)
    return training


def _require_sense(training: TrainingArguments) -> None:
    """Raise `UserError` for numbers that the Trainer takes and fails on, or trains nothing with."""
    for name, (low, high) in _RANGES.items():
        value = getattr(training, name)
        if value is not None and not low <= value <= high:  # NaN is in no range
            raise UserError(f"--{name} is {value}; give a number from {low:g} to {high:g}")


def _require_a_process_a_gpu(training: TrainingArguments) -> None:
    if training.n_gpu > 1:
        raise UserError(
            f"{training.n_gpu} GPUs for one process; start with torchrun --nproc_per_node {training.n_gpu} -m"
        )
