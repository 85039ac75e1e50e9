"""Masks drawn for whole batches: which words (or tokens) of a text are hidden, without a loop over tokens."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_LAST = np.uint32(0xFFFFFFFF)


@dataclass(frozen=True)
class Units:
    """What is masked at a time in each text of a batch.

    Attributes:
        of_token: (B, N) int64, the unit that each ordinary token belongs to, rising from 0; padding has unit W.
        sizes: (B, W + 1) int32, tokens of each unit; the last column, which stands for padding, is 0.
        tokens: (B,) int64, ordinary tokens of each text.
    """

    of_token: np.ndarray
    sizes: np.ndarray
    tokens: np.ndarray

    @classmethod
    def of(cls, starts: np.ndarray, tokens: np.ndarray) -> Units:
        """Units from ``starts`` (B, N) bool, true where a unit begins, and ``tokens`` (B,), each text's length."""
        real = np.arange(starts.shape[1]) < tokens[:, None]
        starts = starts & real
        starts[:, :1] = real[:, :1]  # a text cut inside a word begins a unit all the same
        width = int(starts.sum(axis=1).max(initial=0))
        of_token = np.where(real, np.cumsum(starts, axis=1) - 1, width)
        flat = of_token + np.arange(len(starts))[:, None] * (width + 1)
        sizes = np.bincount(flat.ravel(), minlength=len(starts) * (width + 1)).reshape(len(starts), width + 1)
        sizes[:, width] = 0
        return cls(of_token, sizes.astype(np.int32), tokens)

    def draw(self, ratio: float, patterns: np.ndarray, generators: list[np.random.Generator]) -> np.ndarray:
        """Draw masks that hide ``round(ratio * tokens)`` tokens of a text, at least 1: (B, P, W + 1) bool over units.

        Units are visited in random order and hidden while they fit what is left to hide, as whole-word masking does.
        Text b gets ``patterns[b]`` masks (the rest of its P rows hide nothing) from ``generators[b]`` alone.
        """
        batch, width = self.sizes.shape
        # A unit's number is the low bits of its random key: one sort gives the order, with no second array to permute.
        # Padding has all bits set, which no unit has.
        bits = width.bit_length()
        keys = np.full((batch, int(patterns.max(initial=0)), width), _LAST)
        for row, generator in enumerate(generators):
            units = np.count_nonzero(self.sizes[row])
            drawn = generator.integers(0, 1 << (32 - bits), (patterns[row], units), np.uint32)
            keys[row, : patterns[row], :units] = (drawn << np.uint32(bits)) | np.arange(units, dtype=np.uint32)
        keys.sort(axis=2)
        order = np.minimum(keys & np.uint32((1 << bits) - 1), np.uint32(width - 1)).astype(np.int64)
        budget = np.maximum(1, np.rint(ratio * self.tokens)).astype(np.int32) * (ratio > 0)
        # Flat indices: numpy gathers by them several times as fast as along an axis.
        sizes = np.take(self.sizes, order + width * np.arange(batch)[:, None, None])
        hidden = np.zeros(keys.shape, bool)
        order += width * np.arange(batch * keys.shape[1]).reshape(batch, -1, 1)
        hidden.reshape(-1)[order] = _fill(sizes, budget[:, None, None])
        return hidden

    def to_tokens(self, hidden: np.ndarray, chosen: np.ndarray) -> np.ndarray:
        """Over tokens, the masks ``chosen`` (B, R) of ``hidden`` (B, P, W + 1): (B, R, N) bool, false at padding."""
        batch, patterns, width = hidden.shape
        rows = width * (chosen + patterns * np.arange(batch)[:, None])
        return np.take(hidden, rows[:, :, None] + self.of_token[:, None, :])


def _fill(sizes: np.ndarray, budget: np.ndarray) -> np.ndarray:
    """Which of ``sizes`` (B, P, W), taken in order when they still fit, fill ``budget`` (B, 1, 1); a size 0 is none.

    Each round takes the longest run that fits; what is then too large for the rest never fits later, so a round or two
    more on the rows that have a rest give what going through the sizes one by one gives.
    """
    total = np.cumsum(sizes, axis=2, dtype=np.int32)
    taken = (total <= budget) & (sizes > 0)
    left = (budget[..., 0] - (total * taken).max(axis=2)).reshape(-1, 1)  # (B * P, 1)
    all_sizes, all_taken = sizes.reshape(len(left), -1), taken.reshape(len(left), -1)
    rows = np.flatnonzero(left)
    while rows.size:
        fitting = np.where(all_taken[rows] | (all_sizes[rows] > left[rows]), 0, all_sizes[rows])
        total = np.cumsum(fitting, axis=1, dtype=np.int32)
        more = (total <= left[rows]) & (fitting > 0)
        all_taken[rows] |= more
        left[rows] -= (total * more).max(axis=1, keepdims=True)
        rows = rows[more.any(axis=1) & (left[rows, 0] > 0)]
    return taken
