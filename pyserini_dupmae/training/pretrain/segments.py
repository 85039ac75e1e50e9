"""The segments of a tokenised corpus as a dataset, and the split that is held out."""

from __future__ import annotations

import numpy as np
from torch.utils.data import Dataset

from pyserini_dupmae.training.pretrain.collator import Text
from pyserini_dupmae.training.pretrain.tokens import TokenFiles


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
