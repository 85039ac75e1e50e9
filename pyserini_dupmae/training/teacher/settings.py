"""The options of the Trainer for a cross-encoder, which the command shows without loading torch."""

from __future__ import annotations

from dataclasses import dataclass, field

from pyserini_dupmae.training.command import RunDefaults


@dataclass
class TeacherDefaults(RunDefaults):
    """The Trainer's most used options with defaults for a cross-encoder."""

    learning_rate: float = field(default=1e-5, metadata={"help": "peak learning rate"})
    num_train_epochs: float = field(default=4.0, metadata={"help": "passes over the queries"})
    per_device_train_batch_size: int = field(default=8, metadata={"help": "queries a process and step"})
    per_device_eval_batch_size: int = field(default=64, metadata={"help": "held-out pairs a process at a time"})
    eval_steps: float | None = field(default=2000, metadata={"help": "steps between evaluations"})
    save_steps: float = field(default=2000, metadata={"help": "steps between checkpoints"})
