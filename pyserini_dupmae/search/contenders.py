"""Which documents can be among the first, told from scores that are off by a bounded amount."""

from __future__ import annotations

import threading

import numpy as np


class Contenders:
    """The documents of one query that can still be among its best ``hits``, as blocks of documents go by, in any order.

    A fast score s stands for an exact one between s - r |s| - e and s + r |s| + e. A document is out when its largest
    possible score is below the smallest possible one of ``hits`` others.

    Args:
        relative, absolute: r and e.
        ranks_all: whether a document with the score 0 counts; with the sparse part alone it does not.
    """

    def __init__(self, hits: int, relative: float, absolute: float, ranks_all: bool):
        self.hits, self.relative, self.absolute, self.ranks_all = hits, relative, absolute, ranks_all
        self.lowest = np.float32(-np.inf) if ranks_all else np.nextafter(np.float32(0), np.float32(1))
        """A document with a smaller fast score is out."""
        self._rows: list[np.ndarray] = []
        self._scores: list[np.ndarray] = []
        self._size = 0
        self._lock = threading.Lock()

    @property
    def is_open(self) -> bool:
        """Whether too few documents have gone by to leave any out."""
        return self._size < self.hits

    def add(self, first: int, scores: np.ndarray) -> None:
        """Take the scores (n,) float32 of the documents from row ``first`` on."""
        if self.is_open and len(scores) > 4 * self.hits:
            self.learn(_kth_largest(scores, self.hits))
        chosen = np.flatnonzero(scores >= self.lowest)
        self.take(chosen + first, scores[chosen])

    def learn(self, kth: float) -> None:
        """Note that ``hits`` documents have at least the fast score ``kth``."""
        self.lowest = max(self.lowest, self._below(kth))

    def take(self, rows: np.ndarray, scores: np.ndarray) -> None:
        """Take documents by ``rows`` (m,) int64 with their fast scores (m,) float32."""
        with self._lock:
            self._rows.append(rows)
            self._scores.append(scores)
            self._size += len(rows)
            if self._size > 2 * self.hits + 1024:
                self._reduce()

    def rows(self) -> np.ndarray:
        """Those that are left, rising."""
        with self._lock:
            self._reduce()
            return np.sort(self._rows[0])

    def _reduce(self) -> None:
        rows = np.concatenate([np.empty(0, np.int64), *self._rows])
        scores = np.concatenate([np.empty(0, np.float32), *self._scores])
        if len(scores) > self.hits:
            self.learn(_kth_largest(scores, self.hits))
        kept = scores >= self.lowest
        self._rows, self._scores, self._size = [rows[kept]], [scores[kept]], int(kept.sum())

    def _below(self, kth: float) -> np.float32:
        """The fast score below which no document can reach one whose fast score is ``kth``, rounded down."""
        reach = kth - self.relative * abs(kth) - 2 * self.absolute
        lowest = reach / (1 + self.relative) if reach >= 0 else reach / (1 - self.relative)
        return np.nextafter(np.float32(lowest), np.float32(-np.inf))


def _kth_largest(scores: np.ndarray, k: int) -> float:
    return float(np.partition(scores, -k)[-k])
