"""The term-major copy of a store that the engine ``scan`` reads: short numbers, in blocks of documents.

A folder ``postings`` holds, beside ``dupmae.json``, flat files without headers, little-endian, a block of `BLOCK`
documents after the other (the last is shorter):

- ``starts.i64``: for each block |V| + 1 numbers: the postings of term t in it are those from its t-th to its t+1-th;
- ``rows.u16``: of each posting the document, counted from the first of its block;
- ``weights.bf16``: of each posting the weight, rounded to bfloat16;
- ``cls.i8``: the documents' dense vectors (n, d') as whole numbers of 8 bits;
- ``scales.f32``: what one unit of each document's vector is worth.

They give candidates, never a score: what is returned is scored again from the store. A document takes 4 bytes for each
positive weight and d' + 4 bytes for its vector. ``largest_norm`` and ``largest_error`` in ``dupmae.json`` bound what
the rounding of the vectors does to a score.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import csr_array

from pyserini_dupmae.store import ForwardStore
from pyserini_dupmae.store.checks import unlikely
from pyserini_dupmae.util.errors import UserError
from pyserini_dupmae.util.progress import Progress

BLOCK = 1 << 16
"""Documents of a block: their numbers fit 16 bits, and a score for each of them fits a core's cache."""

_AT_ONCE = 4096

_FILES: dict[str, Any] = {
    "starts": np.dtype("<i8"),
    "rows": np.dtype("<u2"),
    "weights": np.dtype("<u2"),
    "cls": np.dtype("i1"),
    "scales": np.dtype("<f4"),
}
_NAMES = {
    "starts": "starts.i64",
    "rows": "rows.u16",
    "weights": "weights.bf16",
    "cls": "cls.i8",
    "scales": "scales.f32",
}
FILES = {
    "dense": (_NAMES["cls"], _NAMES["scales"]),
    "sparse": (_NAMES["starts"], _NAMES["rows"], _NAMES["weights"]),
}
"""Part of Eq. 12 -> the files that a scan by it reads."""


@dataclass(frozen=True)
class PostingsBlock:
    """``size`` documents from row ``first`` on.

    ``starts`` (|V| + 1,) int64 into ``rows`` and ``weights``, (postings,) uint16 each, the weights being the bits of
    bfloat16 numbers; ``cls`` (size, d') int8, whose units are worth ``scales`` (size,) float32.
    """

    first: int
    starts: np.ndarray
    rows: np.ndarray
    weights: np.ndarray
    cls: np.ndarray
    scales: np.ndarray

    def __len__(self) -> int:
        return len(self.cls)


class DenseBounds(NamedTuple):
    """Over all documents, rounded up: the largest norm of a dense vector, and of what its rounding has taken away."""

    largest_norm: float
    largest_error: float


@dataclass(frozen=True)
class Postings:
    """All blocks of a collection, in memory or as memory maps."""

    blocks: list[PostingsBlock]
    top_k: int
    bounds: DenseBounds

    @cached_property
    def documents(self) -> int:
        return sum(len(block) for block in self.blocks)

    @cached_property
    def count(self) -> int:
        """How many postings there are."""
        return sum(len(block.rows) for block in self.blocks)

    @classmethod
    def of(cls, store: ForwardStore, top_k: int) -> Postings:
        """Those of a store, in memory."""
        made = list(make_blocks(store, top_k))
        return cls([block for block, _ in made], top_k, _largest(bounds for _, bounds in made))

    @classmethod
    def open(
        cls, folder: Path, documents: int, vocab_size: int, cls_dim: int, top_k: int, bounds: DenseBounds
    ) -> Postings:
        """The files in ``folder`` as memory maps, in constant time for each block.

        Raises:
            UserError: a file is missing or has another size than the documents need.
        """
        arrays = {}
        for name, dtype in _FILES.items():
            try:
                path = folder / _NAMES[name]
                arrays[name] = np.asarray(np.memmap(path, dtype, "r")) if path.stat().st_size else np.empty(0, dtype)
            except (OSError, ValueError) as error:
                raise UserError(f"cannot read {folder / _NAMES[name]} ({error}); {_rebuild(folder)}") from None
        count = -(-documents // BLOCK)
        wanted = {"starts": count * (vocab_size + 1), "cls": documents * cls_dim, "scales": documents}
        if any(len(arrays[name]) != length for name, length in wanted.items()):
            raise UserError(f"{folder} is not of {documents} documents; {_rebuild(folder)}")
        starts = arrays["starts"].reshape(count, vocab_size + 1)
        vectors = arrays["cls"].reshape(documents, cls_dim)
        ends = np.cumsum(starts[:, -1])
        if count and (ends[-1] != len(arrays["rows"]) or ends[-1] != len(arrays["weights"])):
            raise UserError(f"{folder} has lost postings; {_rebuild(folder)}")
        blocks = []
        for number in range(count):
            first, postings = number * BLOCK, slice(int(ends[number] - starts[number, -1]), int(ends[number]))
            blocks.append(
                PostingsBlock(
                    first,
                    starts[number],
                    arrays["rows"][postings],
                    arrays["weights"][postings],
                    vectors[first : first + BLOCK],
                    arrays["scales"][first : first + BLOCK],
                )
            )
        return cls(blocks, top_k, bounds)


def make_blocks(store: ForwardStore, top_k: int) -> Iterator[tuple[PostingsBlock, DenseBounds]]:
    """The blocks of a store, one after the other, each with the ``top_k`` largest weights of its documents."""
    for first in range(0, len(store), BLOCK):
        vectors, token_ids, weights = store.gather(np.arange(first, min(first + BLOCK, len(store))), top_k)
        if wrong := unlikely(store.model.vocab_size, vectors, token_ids, weights):
            raise UserError(f"{store.folders[0]} is damaged: {wrong}; encode the collection again")
        positive = weights > 0
        ends = np.concatenate([[0], positive.sum(axis=1).cumsum()])
        bags = csr_array(
            (weights[positive], token_ids[positive].astype(np.int32), ends),
            shape=(len(ends) - 1, store.model.vocab_size),
        ).tocsc()
        numbers, scales, bounds = to_int8(vectors)
        block = PostingsBlock(
            first,
            bags.indptr.astype(np.int64),
            bags.indices.astype(np.uint16),
            to_bfloat16(bags.data),
            numbers,
            scales,
        )
        yield block, bounds


def write_postings(folder: Path, store: ForwardStore, top_k: int) -> DenseBounds:
    """Write the files of ``store`` into the existing folder ``folder``. Memory: some blocks."""
    found = []
    streams = {name: open(folder / _NAMES[name], "wb") for name in _FILES}  # noqa: SIM115 - closed below, all of them
    try:
        with Progress("postings", len(store), "documents") as progress:
            for block, bounds in make_blocks(store, top_k):
                found.append(bounds)
                for name, stream in streams.items():
                    np.ascontiguousarray(getattr(block, name), _FILES[name]).tofile(stream)
                progress.update(len(block))
    finally:
        for stream in streams.values():
            stream.close()
    return _largest(found)


def _largest(bounds: Iterable[DenseBounds]) -> DenseBounds:
    return DenseBounds(*map(max, zip(DenseBounds(0.0, 0.0), *bounds, strict=True)))


def to_int8(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray, DenseBounds]:
    """Vectors (n, d) float32 as whole numbers from -127 to 127 and, for each vector, what one of them is worth.

    Returns:
        (n, d) int8, (n,) float32, and what the products of both are off by.

    >>> numbers, scales, bounds = to_int8(np.array([[1.0, -0.5, 0.1]], np.float32))
    >>> numbers.tolist(), round(float(scales[0]) * 127, 6), round(bounds.largest_error, 3)
    ([[127, -64, 13]], 1.0, 0.005)
    """
    numbers, scales = np.empty(vectors.shape, np.int8), np.empty(len(vectors), np.float32)
    norm = error = 0.0
    for start in range(0, len(vectors), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        exact = vectors[part].astype(np.float64)
        scales[part] = np.abs(exact).max(axis=1, initial=0.0) / 127
        # A vector too small for a scale has none: all its numbers are 0, and the error is the vector.
        worth = scales[part].astype(np.float64)[:, None]
        units = np.divide(exact, worth, out=np.zeros_like(exact), where=worth > 0)
        numbers[part] = np.clip(np.rint(units), -127, 127)
        off = exact - numbers[part] * worth
        norm = max(norm, np.einsum("ij,ij->i", exact, exact).max())
        error = max(error, np.einsum("ij,ij->i", off, off).max())
    rounded_up = 1 + 2.0**-40
    return numbers, scales, DenseBounds(math.sqrt(norm) * rounded_up, math.sqrt(error) * rounded_up)


def to_bfloat16(values: np.ndarray) -> np.ndarray:
    """float32 numbers rounded to the nearest bfloat16, of two the even one; as uint16. Finite numbers only.

    >>> to_bfloat16(np.array([1.0, 1.00390625, 3.0], np.float32)).tolist()
    [16256, 16256, 16448]
    """
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)


def _rebuild(folder: Path) -> str:
    return f"build it with: python -m pyserini_dupmae.index --index {folder.parent} --to-postings --overwrite"
