"""How training with the pair as the teacher is done, as data: the command's options are made from these fields."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

from pyserini_dupmae.util.command import LARGEST_SEED
from pyserini_dupmae.util.errors import UserError


def _of(default: Any, text: str) -> Any:
    return field(default=default, metadata={"help": text})


@dataclass(frozen=True)
class PairOptions:
    """How long and how fast to train.

    The learning rates rise, from the first step and again from where the encoder begins to learn; then they fall along
    a cosine to 3 % of their peaks.

    Raises:
        UserError: a number is out of range.
    """

    steps: int = _of(1000, "steps of the optimiser")
    frozen_steps: int = _of(50, "of these, the first in which only the head and the scale learn, at half the cost")
    rise: int = _of(20, "steps in which the learning rates rise")
    learning_rate: float = _of(4e-5, "peak learning rate of the encoder")
    head_rate: float = _of(4e-4, "peak learning rate of W^O's matrices")
    bias_rate: float = _of(3e-3, "peak learning rate of its bias and of the dense scale")
    groups: int = _of(4, "groups of queries that resemble each other, in a batch")
    group_size: int = _of(6, "queries of a group")
    passages_per_query: int = _of(2, "passages drawn for each; all are scored for all queries of the batch")
    query_length: int = _of(112, "tokens kept of a query")
    passage_length: int = _of(128, "tokens kept of a passage")
    average: float = _of(0.99, "how much of the averaged weights, which are the result, each step keeps")
    bf16: bool = _of(True, "compute in bfloat16 where that is safe")
    seed: int = _of(0, "of what is drawn")
    device: str = _of("cpu", "where the model runs: cpu, cuda, ...")
    save_minutes: float = _of(5.0, "how often the state of the run is kept, from which the same command goes on")

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            if isinstance(value, bool | str):
                continue
            low = 1 if isinstance(value, int) and item.name not in ("frozen_steps", "seed") else 0
            high = 1.0 if item.name == "average" else LARGEST_SEED
            if not low <= value <= high:  # NaN is in no range
                name = item.name.replace("_", "-")
                raise UserError(f"--{name} is {value}; give a number from {low} to {high}")


@dataclass(frozen=True)
class PairSettings:
    """How the student follows the teacher."""

    teacher_temperature: float = _of(0.13, "what the pair's scores, from 0 to 2, are divided by before the softmax")
    labelled_bonus: float = _of(0.25, "what the score of a passage gains that somebody judged relevant")
    made_bonus: float = _of(0.1, "what the score of a passage gains that the query was made from")
    cls_weight: float = _of(0.6, "weight of the same loss of the [CLS] part alone")
    ot_weight: float = _of(0.7, "weight of the same loss of the bag of words alone")
    embedding_weight: float = _of(5.0, "weight of 1 - cos of a text's dense vector and the bi-encoder's")
    excess_weight: float = _of(0.01, "weight of what a bag of words holds beyond its largest entries, as follows")
    query_terms: int = _of(48, "entries of a query's bag that cost nothing")
    doc_terms: int = _of(200, "entries of a passage's bag that cost nothing")
