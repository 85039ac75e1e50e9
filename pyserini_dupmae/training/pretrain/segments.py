"""The segments of a tokenised corpus as a dataset: held-out split, order of an epoch."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from torch.utils.data import Dataset, Sampler

from pyserini_dupmae.training.pretrain.collator import Text
from pyserini_dupmae.training.pretrain.tokens import TokenFiles

BATCHES_SORTED_TOGETHER = 50


class Segments(Dataset):
    """Some segments of a corpus. Key ``epoch * len + index`` is segment ``index`` as it is masked in ``epoch``."""

    def __init__(self, files: TokenFiles, numbers: np.ndarray):
        self.files = files
        self.numbers = numbers

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, key: int) -> Text:
        epoch, index = divmod(key, len(self))
        number = int(self.numbers[index])
        return Text(number, epoch, *self.files[number])

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each segment, (len,) int64."""
        return self.files.lengths[self.numbers]


def hold_out(files: TokenFiles, documents: int, seed: int) -> tuple[Segments, Segments | None]:
    """Segments to train on and to evaluate on: those of ``documents`` random documents, never more than one in ten.

    The split is by document, since segments of one document resemble each other. None when nothing is held out.
    """
    known = np.unique(files.documents)
    held = np.random.default_rng(seed).permutation(known)[: min(documents, len(known) // 10)]
    is_held = np.isin(files.documents, held)
    numbers = np.arange(len(files))
    return Segments(files, numbers[~is_held]), Segments(files, numbers[is_held]) if is_held.any() else None


class EpochSampler(Sampler[int]):
    """Keys of `Segments` in a random order that depends on the seed and the epoch alone.

    With ``group`` > 0, batches of that many segments are of similar length, which saves padding: the order is sorted by
    length within every `BATCHES_SORTED_TOGETHER` batches, and the batches are shuffled.
    """

    def __init__(self, segments: Segments, seed: int, group: int = 0):
        self.segments = segments
        self.seed = seed
        self.group = group
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.segments)

    def __iter__(self) -> Iterator[int]:
        generator = np.random.default_rng((self.seed, self.epoch))
        order = generator.permutation(len(self))
        if self.group:
            order = self._grouped(order, generator)
        yield from (order + self.epoch * len(self)).tolist()

    def _grouped(self, order: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        lengths = self.segments.lengths[order]
        together = np.arange(len(order)) // (self.group * BATCHES_SORTED_TOGETHER)
        order = order[np.lexsort((lengths, together))]
        batch = np.arange(len(order)) // self.group
        places = generator.permutation(batch[-1])  # the last batch, which may be short, stays last
        return order[np.argsort(np.append(places, batch[-1])[batch], kind="stable")]
