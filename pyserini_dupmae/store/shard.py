"""One shard of the forward store: a safetensors file, read through the page cache without copying.

Tensors: ``cls`` (n, d') float32; ``token_ids`` (n, k) uint16, or int32 for a vocabulary of more than 65,536;
``weights`` (n, k) float32, sorted, the largest first, 0 where a document has fewer than k; ``docids`` and ``contents``
UTF-8 bytes with ``*_ends`` (n,) int64, where each string stops. ``contents`` is there only when it was asked for, and
``text_hashes`` (n,) uint64 when the shard is part of an encoding that may have to be resumed.
"""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path

import numpy as np
from safetensors.numpy import save

from pyserini_dupmae.util.files import atomic_path

_DTYPES = {"F32": np.float32, "U16": np.uint16, "I32": np.int32, "U8": np.uint8, "I64": np.int64, "U64": np.uint64}


def write_shard(
    path: Path,
    docids: list[str],
    cls: np.ndarray,
    token_ids: np.ndarray,
    weights: np.ndarray,
    vocab_size: int,
    contents: list[str] | None = None,
    text_hashes: np.ndarray | None = None,
) -> None:
    """Write the documents of one shard, atomically; equal arguments give equal bytes."""
    id_dtype = np.uint16 if vocab_size <= 1 << 16 else np.int32
    tensors = {
        "cls": np.ascontiguousarray(cls, np.float32),
        "token_ids": np.ascontiguousarray(token_ids, id_dtype),
        "weights": np.ascontiguousarray(weights, np.float32),
        **_pack("docids", docids),
        **({} if contents is None else _pack("contents", contents)),
        **({} if text_hashes is None else {"text_hashes": text_hashes}),
    }
    with atomic_path(path) as temporary:
        temporary.write_bytes(save(tensors))  # save_file turns OSError into its own


def _pack(name: str, strings: list[str]) -> dict[str, np.ndarray]:
    encoded = [string.encode() for string in strings]
    ends = np.cumsum([len(part) for part in encoded], dtype=np.int64)
    return {name: np.frombuffer(b"".join(encoded), np.uint8), f"{name}_ends": ends}


class Shard:
    """A shard opened for reading; its arrays are memory maps."""

    def __init__(self, path: Path):
        self.path = path
        with open(path, "rb") as stream:
            size = int.from_bytes(stream.read(8), "little")
            header = json.loads(stream.read(size))
        self._tensors = {name: entry for name, entry in header.items() if name != "__metadata__"}
        self._start = 8 + size

    def __len__(self) -> int:
        return self._tensors["cls"]["shape"][0]

    @cached_property
    def cls(self) -> np.ndarray:
        return self._map("cls")

    @cached_property
    def token_ids(self) -> np.ndarray:
        return self._map("token_ids")

    @cached_property
    def weights(self) -> np.ndarray:
        return self._map("weights")

    @cached_property
    def text_hashes(self) -> np.ndarray:
        return self._map("text_hashes")

    @property
    def has_contents(self) -> bool:
        return "contents" in self._tensors

    def docids(self) -> list[str]:
        return self._strings("docids")

    def contents(self) -> list[str]:
        return self._strings("contents")

    def content(self, row: int) -> str:
        """The contents of one document, without reading the others."""
        ends = self._map("contents_ends")
        start = int(ends[row - 1]) if row else 0
        return self._map("contents")[start : int(ends[row])].tobytes().decode()

    def _strings(self, name: str) -> list[str]:
        joined, ends = self._map(name).tobytes(), self._map(f"{name}_ends").tolist()
        return [joined[start:end].decode() for start, end in zip([0, *ends], ends, strict=False)]

    def _map(self, name: str) -> np.ndarray:
        entry = self._tensors[name]
        dtype, shape = _DTYPES[entry["dtype"]], tuple(entry["shape"])
        if 0 in shape:
            return np.empty(shape, dtype)
        # As a plain array: the subclass costs more than the reading when a few rows are taken at a time.
        return np.asarray(np.memmap(self.path, dtype, "r", self._start + entry["data_offsets"][0], shape))
