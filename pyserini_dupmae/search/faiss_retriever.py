"""The dense list from a FAISS index."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from pyserini_dupmae.index.faiss import import_faiss
from pyserini_dupmae.modeling.query_encoder import EncodedQuery
from pyserini_dupmae.search.fusion import Candidates
from pyserini_dupmae.util.errors import UserError, first_line

# An inner product of d float32 products, summed in any order, is off by at most d u / (1 - d u) times the norms, with
# u = 2**-24 (Higham, "Accuracy and Stability of Numerical Algorithms", section 3.1); twice that covers this code's own.
ROUNDING = 2.0**-23
NORM_BLOCK = 1 << 16


def read_faiss(folder: str | Path) -> Any:
    """The FAISS index in ``folder``, in Pyserini's layout; a `UserError` when it or FAISS itself is not there.

    As a memory map, where this FAISS has that.
    """
    faiss = import_faiss()
    try:
        return faiss.read_index(str(Path(folder) / "index"), getattr(faiss, "IO_FLAG_MMAP_IFC", 0))
    except RuntimeError as error:
        raise UserError(f"FAISS cannot read {Path(folder) / 'index'}: {first_line(error)}") from None


class FaissRetriever:
    """A `fusion.DenseRetriever` over a FAISS index of inner products whose n-th vector is row n.

    ``flat`` tells whether the index is exhaustive and holds the vectors as they are; any other proves nothing.
    ``largest_norm`` is that of the vectors of a flat index; where nobody has kept it, the first search computes it.
    """

    def __init__(self, index: Any, largest_norm: float | None = None):
        self._faiss = import_faiss()
        self.index = index
        self.flat = isinstance(self._faiss.downcast_index(index), self._faiss.IndexFlat)
        if self.index.metric_type != self._faiss.METRIC_INNER_PRODUCT:
            raise UserError("the FAISS index does not hold inner products; encode the collection with pyserini_dupmae")
        self._given_norm = largest_norm

    def __len__(self) -> int:
        return self.index.ntotal

    def top(self, queries: Sequence[EncodedQuery], n: int, threads: int) -> list[Candidates]:
        matrix = np.stack([query.cls for query in queries]).astype(np.float32)
        before = self._faiss.omp_get_max_threads()
        self._faiss.omp_set_num_threads(threads)
        try:
            scores, rows = self.index.search(matrix, min(n, len(self)))  # (B, n) each
        finally:
            self._faiss.omp_set_num_threads(before)
        norms = np.linalg.norm(matrix, axis=1)
        return [self._candidates(*result) for result in zip(rows, scores, norms, strict=True)]

    def _candidates(self, rows: np.ndarray, scores: np.ndarray, norm: float) -> Candidates:
        rows = rows[rows >= 0]
        if len(rows) == len(self):
            return Candidates(rows, -math.inf)
        if not self.flat:
            return Candidates(rows, math.inf)
        return Candidates(rows, float(scores[-1]) + ROUNDING * self.index.d * float(norm) * self._largest_norm)

    @cached_property
    def _largest_norm(self) -> float:
        if self._given_norm is not None:
            return self._given_norm
        largest = 0.0
        for start in range(0, len(self), NORM_BLOCK):
            block = self.index.reconstruct_n(start, min(NORM_BLOCK, len(self) - start))
            largest = max(largest, float(np.einsum("ij,ij->i", block, block).max()))
        return math.sqrt(largest)
