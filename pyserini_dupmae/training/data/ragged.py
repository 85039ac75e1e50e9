"""Arrays of different lengths, stored as one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np


class Ragged(Sequence):
    """One array for each query: item i is ``values[ends[i - 1]:ends[i]]``, a view.

    Args:
        values: (n,), all items one after another.
        ends: (items,) int64, ascending, the last is n.
    """

    def __init__(self, values: np.ndarray, ends: np.ndarray):
        self.values, self.ends = values, ends

    @classmethod
    def grouped(cls, values: np.ndarray, owners: np.ndarray, items: int) -> Ragged:
        """The values (n,) of each owner, a number below ``items``, given ``owners`` (n,) in ascending order."""
        return cls(values, np.searchsorted(owners, np.arange(items), side="right"))

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, item: int) -> np.ndarray:
        item = range(len(self))[item]  # IndexError ends an iteration
        return self.values[self.ends[item - 1] if item else 0 : self.ends[item]]

    @property
    def owners(self) -> np.ndarray:
        """The item that each value belongs to, (n,) int64."""
        return np.repeat(np.arange(len(self)), np.diff(self.ends, prepend=0))

    def take(self, items: np.ndarray) -> Ragged:
        """Some items (m,) ascending; those left out must be empty."""
        return Ragged(self.values, self.ends[items])

    def like(self, values: np.ndarray) -> Ragged:
        """Other values (n,) in items of the same lengths."""
        return Ragged(values, self.ends)

    def save(self, folder: Path, name: str) -> None:
        """Write both arrays to ``folder``."""
        np.save(folder / f"{name}.npy", self.values)
        np.save(folder / f"{name}.ends.npy", self.ends)

    @classmethod
    def load(cls, folder: Path, name: str) -> Ragged:
        """What `save` wrote, memory-mapped."""
        return cls(*(np.load(folder / f"{name}{kind}.npy", mmap_mode="r") for kind in ("", ".ends")))
