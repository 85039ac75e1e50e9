"""The order of an epoch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
from torch.utils.data import Sampler
from transformers import TrainerCallback

BATCHES_SORTED_TOGETHER = 50


class Items(Protocol):
    """What is put in order; ``lengths`` (len,) int64 is asked for only when batches are grouped."""

    def __len__(self) -> int: ...

    @property
    def lengths(self) -> np.ndarray: ...


class EpochSampler(Sampler[int]):
    """The keys ``epoch * len + index`` of a dataset, in a random order that depends on the seed and the epoch alone.

    With ``group`` > 0, batches of that many items are of similar length, which saves padding: the order is sorted by
    length within every `BATCHES_SORTED_TOGETHER` batches, and the batches are shuffled.
    """

    def __init__(self, items: Items, seed: int, group: int = 0):
        self.items = items
        self.seed = seed
        self.group = group
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[int]:
        generator = np.random.default_rng((self.seed, self.epoch))
        order = generator.permutation(len(self))
        if self.group:
            order = self._grouped(order, generator)
        yield from (order + self.epoch * len(self)).tolist()

    def _grouped(self, order: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        lengths = self.items.lengths[order]
        together = np.arange(len(order)) // (self.group * BATCHES_SORTED_TOGETHER)
        order = order[np.lexsort((lengths, together))]
        batch = np.arange(len(order)) // self.group
        places = generator.permutation(batch[-1])  # the last batch, which may be short, stays last
        return order[np.argsort(np.append(places, batch[-1])[batch], kind="stable")]


class SetEpoch(TrainerCallback):
    """Tells the sampler the epoch, which the data loader does not in every nesting of samplers of a resumed run."""

    def __init__(self, sampler: EpochSampler):
        self.sampler = sampler

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.sampler.set_epoch(int(state.epoch or 0))
