"""Recursive graph bisection, the order in which BMP's authors index documents (Dhulipala et al., arXiv 1602.08820).

Documents are halved again and again; within a pair of halves, those that share more terms with the other half change
places, as long as the logarithms of the gaps between a term's documents become fewer.
"""

from __future__ import annotations

import numpy as np

ROUNDS = 10
SMALLEST = 64


def bisection_order(starts: np.ndarray, terms: np.ndarray, vocabulary: int) -> np.ndarray:
    """The order (n,) int64 of documents whose distinct terms are ``terms[starts[i]:starts[i + 1]]``."""
    order = np.arange(len(starts) - 1)
    pending = [(0, len(order))]
    while pending:
        first, end = pending.pop()
        if end - first <= SMALLEST:
            continue
        _halve(order[first:end], starts, terms, vocabulary)
        middle = (first + end) // 2
        pending += [(first, middle), (middle, end)]
    return order


def _halve(documents: np.ndarray, starts: np.ndarray, terms: np.ndarray, vocabulary: int) -> None:
    """Reorder ``documents`` (m,), a view, so that its halves share few terms."""
    half, m = len(documents) // 2, len(documents)
    lengths = starts[documents + 1] - starts[documents]
    places = np.repeat(starts[documents] - np.concatenate([[0], lengths.cumsum()[:-1]]), lengths)
    own = terms[places + np.arange(lengths.sum())]  # the terms of all documents, one document after another
    owner = np.repeat(np.arange(m), lengths)
    left = np.arange(m) < half
    for _ in range(ROUNDS):
        of_left = left[owner]
        degree = [np.bincount(own[of_left == side], minlength=vocabulary).astype(np.float64) for side in (True, False)]
        gain_out = _gain(degree[0], degree[1], half, m - half)
        gain_in = _gain(degree[1], degree[0], m - half, half)
        gains = np.bincount(owner, np.where(of_left, gain_out[own], gain_in[own]), m)
        leaving = np.flatnonzero(left)[np.argsort(-gains[left], kind="stable")]
        coming = np.flatnonzero(~left)[np.argsort(-gains[~left], kind="stable")]
        pairs = min(len(leaving), len(coming))
        swapped = int((gains[leaving[:pairs]] + gains[coming[:pairs]] > 0).sum())
        if not swapped:
            break
        left[leaving[:swapped]], left[coming[:swapped]] = False, True
    documents[:] = np.concatenate([documents[left], documents[~left]])


def _gain(here: np.ndarray, there: np.ndarray, size: int, other: int) -> np.ndarray:
    """What a term's cost falls by when one of its documents moves to the other half: (|V|,)."""

    def cost(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return a * np.log2(size / (a + 1)) + b * np.log2(other / (b + 1))

    return cost(here, there) - cost(np.maximum(here - 1, 0), there + 1)
