"""The term-major copy of a store that the engine ``scan`` reads: short numbers, in blocks of documents.

A folder ``postings`` holds, beside ``dupmae.json``, flat files without headers, little-endian, a block of `BLOCK`
documents after the other (the last is shorter):

- ``starts.i64``: for each block |V| + 1 numbers: the postings of term t in it are those from its t-th to its t+1-th;
- ``rows.u16``: of each posting the document, counted from the first of its block;
- ``weights.bf16``: of each posting the weight, rounded to bfloat16;
- ``cls.bf16``: the documents' dense vectors (n, d'), rounded to bfloat16.

They give candidates, never a score: what is returned is scored again from the store. A document takes 4 bytes for each
positive weight and 2 d' bytes for its vector.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import csr_array
from tqdm import tqdm

from pyserini_dupmae.store import ForwardStore
from pyserini_dupmae.util.errors import UserError

BLOCK = 1 << 16
"""Documents of a block: their numbers fit 16 bits, and a score for each of them fits a core's cache."""

_FILES: dict[str, Any] = {
    "starts": np.dtype("<i8"),
    "rows": np.dtype("<u2"),
    "weights": np.dtype("<u2"),
    "cls": np.dtype("<u2"),
}
_NAMES = {"starts": "starts.i64", "rows": "rows.u16", "weights": "weights.bf16", "cls": "cls.bf16"}
FILES = {"dense": (_NAMES["cls"],), "sparse": (_NAMES["starts"], _NAMES["rows"], _NAMES["weights"])}
"""Part of Eq. 12 -> the files that a scan by it reads."""


@dataclass(frozen=True)
class PostingsBlock:
    """``size`` documents from row ``first`` on; bfloat16 numbers stand as uint16.

    ``starts`` (|V| + 1,) int64 into ``rows`` and ``weights``, (postings,) uint16 each; ``cls`` (size, d') uint16.
    """

    first: int
    starts: np.ndarray
    rows: np.ndarray
    weights: np.ndarray
    cls: np.ndarray

    def __len__(self) -> int:
        return len(self.cls)


@dataclass(frozen=True)
class Postings:
    """All blocks of a collection, in memory or as memory maps. ``largest_norm`` is that of the dense vectors."""

    blocks: list[PostingsBlock]
    top_k: int
    largest_norm: float

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
        blocks = list(make_blocks(store, top_k))
        return cls(blocks, top_k, store.largest_norm())

    @classmethod
    def open(cls, folder: Path, documents: int, vocab_size: int, cls_dim: int, top_k: int, norm: float) -> Postings:
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
        if len(arrays["starts"]) != count * (vocab_size + 1) or len(arrays["cls"]) != documents * cls_dim:
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
                )
            )
        return cls(blocks, top_k, norm)


def make_blocks(store: ForwardStore, top_k: int) -> Iterator[PostingsBlock]:
    """The blocks of a store, one after the other, each with the ``top_k`` largest weights of its documents."""
    for first in range(0, len(store), BLOCK):
        vectors, token_ids, weights = store.gather(np.arange(first, min(first + BLOCK, len(store))), top_k)
        positive = weights > 0
        ends = np.concatenate([[0], positive.sum(axis=1).cumsum()])
        bags = csr_array(
            (weights[positive], token_ids[positive].astype(np.int32), ends),
            shape=(len(ends) - 1, store.model.vocab_size),
        ).tocsc()
        yield PostingsBlock(
            first,
            bags.indptr.astype(np.int64),
            bags.indices.astype(np.uint16),
            to_bfloat16(bags.data),
            to_bfloat16(vectors),
        )


def write_postings(folder: Path, store: ForwardStore, top_k: int) -> float:
    """Write the files of ``store`` into the existing folder ``folder``; returns the largest norm of a dense vector.

    Memory: some blocks.
    """
    streams = {name: open(folder / _NAMES[name], "wb") for name in _FILES}  # noqa: SIM115 - closed below, all of them
    try:
        with tqdm(total=len(store), desc="postings", unit="doc", unit_scale=True) as progress:
            for block in make_blocks(store, top_k):
                for name, stream in streams.items():
                    np.ascontiguousarray(getattr(block, name), _FILES[name]).tofile(stream)
                progress.update(len(block))
    finally:
        for stream in streams.values():
            stream.close()
    return store.largest_norm()


def to_bfloat16(values: np.ndarray) -> np.ndarray:
    """float32 numbers rounded to the nearest bfloat16, of two the even one; as uint16. Finite numbers only.

    >>> to_bfloat16(np.array([1.0, 1.00390625, 3.0], np.float32)).tolist()
    [16256, 16256, 16448]
    """
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)


def _rebuild(folder: Path) -> str:
    return f"build it with: python -m pyserini_dupmae.index --embeddings {folder.parent} --to-postings --overwrite"
