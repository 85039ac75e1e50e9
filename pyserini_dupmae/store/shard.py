"""One shard of the forward store: a safetensors file, read through the page cache without copying.

Tensors: ``cls`` (n, d') float32; ``token_ids`` (n, k) uint16, or int32 for a vocabulary of more than 65,536;
``weights`` (n, k) float32, sorted, the largest first, 0 where a document has fewer than k; ``docids`` and ``contents``
UTF-8 bytes with ``*_ends`` (n,) int64, where each string stops. ``contents`` is there only when it was asked for, and
``text_hashes`` (n,) uint64 when the shard is part of an encoding that may have to be resumed. A model with own words
(``lexical: bm25``) adds ``frequencies`` (|V|,) int32, in how many of the shard's documents each entry has a word.
``__metadata__`` says under ``weighed`` by which factors the weights were multiplied at the end, if they were.
"""

from __future__ import annotations

import hashlib
import math
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save

from pyserini_dupmae.util.errors import UserError
from pyserini_dupmae.util.files import atomic_path
from pyserini_dupmae.util.json_text import parse_json

_KINDS = {"cls": ("F32",), "token_ids": ("U16", "I32"), "weights": ("F32",), "docids": ("U8",), "docids_ends": ("I64",)}
"""What every shard has, and of which types."""
WEIGHED = "weighed"
_OTHER_LENGTHS = ("docids", "contents", "frequencies")
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
    frequencies: np.ndarray | None = None,
) -> str:
    """Write the documents of one shard, atomically; equal arguments give equal bytes. Returns their SHA-256."""
    id_dtype = np.uint16 if vocab_size <= 1 << 16 else np.int32
    tensors = {
        "cls": np.ascontiguousarray(cls, np.float32),
        "token_ids": np.ascontiguousarray(token_ids, id_dtype),
        "weights": np.ascontiguousarray(weights, np.float32),
        **_pack("docids", docids),
        **({} if contents is None else _pack("contents", contents)),
        **({} if text_hashes is None else {"text_hashes": text_hashes}),
        **({} if frequencies is None else {"frequencies": frequencies}),
    }
    return _write(path, tensors)


def weigh_shard(shard: Shard, factors: np.ndarray, name: str) -> str:
    """Write ``shard`` again with each weight multiplied by its entry's of ``factors`` (|V|,) float32, called ``name``.

    The largest of a document come first again. Returns the SHA-256 of the new file.
    """
    tensors = shard.arrays()
    weights = tensors["weights"] * factors[tensors["token_ids"]]
    order = np.argsort(-weights, axis=1, kind="stable")
    tensors["weights"] = np.take_along_axis(weights, order, axis=1)
    tensors["token_ids"] = np.take_along_axis(tensors["token_ids"], order, axis=1)
    return _write(shard.path, tensors, {WEIGHED: name})


def _write(path: Path, tensors: dict[str, np.ndarray], metadata: dict[str, str] | None = None) -> str:
    content = save(tensors, metadata)  # save_file turns OSError into its own
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)
    return hashlib.sha256(content).hexdigest()


def _pack(name: str, strings: list[str]) -> dict[str, np.ndarray]:
    encoded = [string.encode() for string in strings]
    ends = np.cumsum([len(part) for part in encoded], dtype=np.int64)
    return {name: np.frombuffer(b"".join(encoded), np.uint8), f"{name}_ends": ends}


class Shard:
    """A shard opened for reading: its header. Its arrays are views of one memory map, made when one is asked for.

    ``checksum`` is the SHA-256 of the file as it was written, where its store tells; ``weighed`` names the factors that
    its weights were multiplied by.

    Raises:
        UserError: the file cannot be read, or it is not as long as its header says, or holds something else.
    """

    def __init__(self, path: Path, checksum: str | None = None):
        self.path, self.checksum = path, checksum
        try:
            with open(path, "rb") as stream:
                size = int.from_bytes(stream.read(8), "little")
                length = path.stat().st_size
                header = parse_json(stream.read(min(size, length)).decode())
            self.weighed: str | None = header.pop("__metadata__", {}).get(WEIGHED)
            self._tensors = dict(header)
            self._start = 8 + size
            _require_layout(self._tensors, length - self._start)
        except OSError as error:
            raise UserError(f"cannot read the shard {path} ({error.strerror}); encode the collection again") from None
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise self.damaged(f"its header: {error}") from None

    def damaged(self, what: str) -> UserError:
        """What to raise where the file turns out to hold ``what``."""
        return UserError(f"cannot read the shard {self.path} ({what}); encode the collection again")

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
    def frequencies(self) -> np.ndarray | None:
        """In how many of the documents each entry has a word, (|V|,) int32; None for a model without own words."""
        return self._map("frequencies") if "frequencies" in self._tensors else None

    def arrays(self) -> dict[str, np.ndarray]:
        """All tensors, by name."""
        return {name: self._map(name) for name in self._tensors}

    @property
    def widths(self) -> tuple[int, int]:
        """d' and k."""
        return self._tensors["cls"]["shape"][1], self._tensors["weights"]["shape"][1]

    @property
    def has_contents(self) -> bool:
        return "contents" in self._tensors

    def docids(self) -> list[str]:
        return self.docid_strings.all()

    def contents(self) -> list[str]:
        return self._contents.all()

    def content(self, row: int) -> str:
        """The contents of one document, without reading the others."""
        return self._contents[row]

    @cached_property
    def docid_strings(self) -> Strings:
        return self._strings("docids")

    @cached_property
    def _contents(self) -> Strings:
        return self._strings("contents")

    def _strings(self, name: str) -> Strings:
        data, ends = self._map(name), self._map(f"{name}_ends")
        if len(ends) and ends[-1] != len(data):
            raise self.damaged(f"its {name} end where they should not")
        return Strings(data, ends, self)

    @cached_property
    def _data(self) -> np.ndarray:
        """What follows the header. One map for all tensors: a process may have only so many."""
        # As a plain array: the subclass costs more than the reading when a few rows are taken at a time.
        return np.asarray(np.memmap(self.path, np.uint8, "r", self._start))

    def _map(self, name: str) -> np.ndarray:
        entry = self._tensors[name]
        dtype, shape = _DTYPES[entry["dtype"]], tuple(entry["shape"])
        if 0 in shape:
            return np.empty(shape, dtype)
        start, end = entry["data_offsets"]
        return self._data[start:end].view(dtype).reshape(shape)


def _require_layout(tensors: dict[str, Any], length: int) -> None:
    """Raise ValueError, TypeError or KeyError unless ``tensors`` are a shard's and fill ``length`` bytes."""
    documents, end = tensors["cls"]["shape"][0], 0
    for name, entry in tensors.items():
        shape, (start, stop) = entry["shape"], entry["data_offsets"]
        if math.prod(shape) * np.dtype(_DTYPES[entry["dtype"]]).itemsize != stop - start or start < 0:
            raise ValueError(f"{name} has {stop - start} bytes for {shape}")
        if name not in _OTHER_LENGTHS and shape[0] != documents:
            raise ValueError(f"{name} is of {shape[0]} documents, not {documents}")
        end = max(end, stop)
    if end != length:
        raise ValueError(f"{length} bytes follow, not {end}")
    for name, kinds in _KINDS.items():
        if tensors[name]["dtype"] not in kinds:
            raise ValueError(f"{name} is {tensors[name]['dtype']}")
    if len(tensors["cls"]["shape"]) != 2 or tensors["token_ids"]["shape"] != tensors["weights"]["shape"]:
        raise ValueError("its arrays do not belong together")


class Strings:
    """UTF-8 strings one after another: ``data`` uint8, and where each ends, (n,) int64, in a shard."""

    def __init__(self, data: np.ndarray, ends: np.ndarray, shard: Shard):
        self._bytes, self._stops, self._shard = data, ends, shard
        # One item of a memory view costs a tenth of one of an array.
        self._data, self._ends = data.data, ends.data

    def __getitem__(self, row: int) -> str:
        try:
            return str(self._data[self._ends[row - 1] if row else 0 : self._ends[row]], "utf-8")
        except UnicodeDecodeError:
            raise self._shard.damaged(f"row {row} has a text that is no UTF-8") from None

    def all(self) -> list[str]:
        joined, ends = self._bytes.tobytes(), self._stops.tolist()
        if (np.diff(self._stops, prepend=0) < 0).any():
            raise self._shard.damaged("a text ends before it begins")
        try:
            return [joined[start:end].decode() for start, end in zip([0, *ends], ends, strict=False)]
        except UnicodeDecodeError:
            raise self._shard.damaged("a text is no UTF-8") from None

    def find(self, wanted: np.ndarray) -> int | None:
        """The first row that has these bytes, (m,) uint8; None when none has."""
        starts = np.concatenate([[0], self._stops[:-1]])
        rows = np.flatnonzero(self._stops - starts == len(wanted))
        for place, byte in enumerate(wanted.tolist()):
            rows = rows[self._bytes[starts[rows] + place] == byte]
        return int(rows[0]) if len(rows) else None
