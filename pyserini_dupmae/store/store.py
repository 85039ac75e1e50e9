"""Reading a forward store, or several as one."""

from __future__ import annotations

import copy
import hashlib
import json
import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pyserini_dupmae.data.corpus import shard_range
from pyserini_dupmae.modeling.identity import ModelIdentity
from pyserini_dupmae.store import checks
from pyserini_dupmae.store.docids import DocIds
from pyserini_dupmae.store.shard import Shard
from pyserini_dupmae.util.errors import UserError
from pyserini_dupmae.util.fields import require_types
from pyserini_dupmae.util.files import write_json
from pyserini_dupmae.util.json_text import read_json
from pyserini_dupmae.util.progress import Progress

STORE_JSON = "store.json"
FORMAT = 1
USUAL_DTYPE = "float32"
NORM_BLOCK = 1 << 14


@dataclass(frozen=True)
class StoreInfo:
    """``store.json``: what a finished store holds.

    ``top_k`` is the number of weights kept a document, ``dtype`` what the model computed in, ``part`` (i, n) where it
    was encoded as shard i of n of a collection, ``checksums`` the SHA-256 of each shard's file. ``idf`` names the
    factors by which the weights were multiplied, of a model that knows a collection's words.
    """

    model: ModelIdentity
    documents: int
    top_k: int
    max_weight: float
    shards: list[str]
    terms_file: str = "terms.json"
    dtype: str = USUAL_DTYPE
    part: tuple[int, int] | None = None
    checksums: dict[str, str] | None = None
    idf: str | None = None

    def write(self, folder: Path) -> None:
        values = asdict(self)
        if self.dtype == USUAL_DTYPE:  # not written, as before there was another
            del values["dtype"]
        for name in ("part", "checksums", "idf"):
            if values[name] is None:
                del values[name]
        write_json(folder / STORE_JSON, {"format": FORMAT, **values})

    @classmethod
    def read(cls, folder: Path) -> StoreInfo:
        """Read ``store.json``; a folder that is no finished store of this format is a `UserError`."""
        path = folder / STORE_JSON
        try:
            value: dict[str, Any] = dict(read_json(path))
            if value.pop("format") != FORMAT:
                raise UserError(f"{path} is of another format version; encode the collection again")
            if (part := value.pop("part", None)) is not None:
                value["part"] = (int(part[0]), int(part[1]))
            info = cls(**{**value, "model": ModelIdentity(**value["model"])})
            require_types(info)
            require_types(info.model)
            return info
        except (FileNotFoundError, NotADirectoryError):
            raise UserError(
                f"{folder} holds no finished forward store (no {STORE_JSON}); give a folder that "
                "pyserini_dupmae.encode wrote, or run that command again to finish it"
            ) from None
        except OSError as error:
            raise UserError(f"cannot read {path}: {error.strerror}") from None
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise UserError(f"{path} is damaged ({error}); encode the collection again") from None


class Piece(NamedTuple):
    """Some documents of one shard: of its arrays, see `Shard`, those in ``rows`` (m,) int64.

    ``places`` (m,) int64 are theirs among all that were asked for.
    """

    places: np.ndarray
    cls: np.ndarray
    token_ids: np.ndarray
    weights: np.ndarray
    rows: np.ndarray


class ForwardStore:
    """The representations of a collection, by row: one store, or several of the same model one after another.

    Args:
        folders: the ``store`` folders, in the order in which their documents are numbered.

    Raises:
        UserError: a folder is no finished store, a shard is missing, or the stores do not belong together.
    """

    def __init__(self, *folders: str | os.PathLike):
        self.folders = [Path(folder) for folder in folders]
        infos = [StoreInfo.read(folder) for folder in self.folders]
        first = infos[0]
        for folder, info in zip(self.folders[1:], infos[1:], strict=True):
            first.model.require(info.model, str(folder))
            if info.top_k != first.top_k:
                raise UserError(f"{folder} keeps {info.top_k} weights a document and {self.folders[0]} {first.top_k}")
            if info.dtype != first.dtype:
                raise UserError(
                    f"{folder} was encoded in {info.dtype} and {self.folders[0]} in {first.dtype}; give all parts of a "
                    "collection the same --dtype"
                )
            if info.idf != first.idf:
                raise UserError(
                    f"the weights in {folder} know the words of another collection than those in {self.folders[0]}; "
                    "give all parts of a collection the same --idf"
                )
        self.model = first.model
        self.top_k = first.top_k
        self.dtype = first.dtype
        self.idf = first.idf
        self.part = first.part if len(infos) == 1 else None
        self.max_weight = max(info.max_weight for info in infos)
        self.shards: list[Shard] = []
        for folder, info in zip(self.folders, infos, strict=True):
            shards = [Shard(folder / name, (info.checksums or {}).get(name)) for name in info.shards]
            if sum(map(len, shards)) != info.documents:
                raise UserError(f"{folder} has lost documents: {STORE_JSON} says {info.documents}; encode again")
            self.shards += shards
        self._starts = np.cumsum([0, *(len(shard) for shard in self.shards)])
        checks.require_plausible(self)

    def verify(self) -> None:
        """Read everything, and compare it with the checksums that encoding wrote, where it did.

        Raises:
            UserError: a file is not what was written, or holds numbers that no model gives.
        """
        checks.verify(self)

    def shard(self, shard_id: int, shard_num: int) -> ForwardStore:
        """The documents of shard ``shard_id`` of ``shard_num``.

        That is this store where it was encoded as that shard, or is the only one, else some of its files, one after
        another.

        Raises:
            UserError: this store was encoded as another shard, or has fewer files than there are to be shards.
        """
        if (shard_id, shard_num) == (0, 1):
            return self
        if self.part is not None:
            if self.part != (shard_id, shard_num):
                raise UserError(
                    f"{self.folders[0]} was encoded with --shard-id {self.part[0]} --shard-num {self.part[1]}; search "
                    "it with the same"
                )
            return self
        files = shard_range(len(self.shards), shard_id, shard_num, f"file(s) of documents in {self.folders[0]}")
        part = copy.copy(self)
        part.shards = self.shards[files.start : files.stop]
        part._starts = np.cumsum([0, *(len(shard) for shard in part.shards)])
        part.__dict__.pop("docids", None)
        return part

    def digest(self) -> str:
        """What tells this collection from others: the checksum of each file.

        Of one without, which an older version wrote: the number, the first and the last docid of its documents.
        """
        found = hashlib.sha256()
        for shard in self.shards:
            if shard.checksum is not None:
                found.update(f"{shard.checksum}\n".encode())
                continue
            ends = [shard.docid_strings[row] for row in (0, len(shard) - 1)] if len(shard) else []
            found.update(json.dumps([len(shard), *ends]).encode())
        return found.hexdigest()

    def __len__(self) -> int:
        return int(self._starts[-1])

    def shards_shown(self, label: str) -> Iterator[Shard]:
        """The shards in order, and how far that is, called ``label``."""
        with Progress(label, len(self), "documents") as progress:
            for shard in self.shards:
                yield shard
                progress.update(len(shard))

    @cached_property
    def terms(self) -> list[str]:
        """The index term of each vocabulary id."""
        return checks.read_terms(self.folders[0] / StoreInfo.read(self.folders[0]).terms_file, self.model)

    def frequencies(self) -> np.ndarray | None:
        """In how many documents each entry has a word, (|V|,) int64; None of a model without own words."""
        found = [part for shard in self.shards if (part := shard.frequencies) is not None]
        return np.asarray(np.sum(found, axis=0, dtype=np.int64)) if found else None

    @cached_property
    def docids(self) -> DocIds:
        """Every docid, by row."""
        return DocIds(self.shards)

    def largest_norm(self) -> float:
        """The largest Euclidean norm of a document's dense vector, rounded up. Reads all of them."""
        largest = 0.0
        for shard in self.shards:
            for start in range(0, len(shard), NORM_BLOCK):
                part = shard.cls[start : start + NORM_BLOCK].astype(np.float64)
                largest = max(largest, float(np.einsum("ij,ij->i", part, part).max(initial=0.0)))
        return math.sqrt(largest) * (1 + 2.0**-40)

    def pieces(self, rows: np.ndarray) -> Iterator[Piece]:
        """Where the documents ``rows`` (n,), in any order, lie: a piece for each shard that has some of them."""
        rising = (rows[1:] >= rows[:-1]).all()
        places = np.arange(len(rows)) if rising else np.argsort(rows, kind="stable")
        in_order = rows if rising else rows[places]
        ends = np.searchsorted(in_order, self._starts)  # where the rows of each shard begin
        for i in np.flatnonzero(np.diff(ends)).tolist():
            here, shard = slice(ends[i], ends[i + 1]), self.shards[i]
            yield Piece(places[here], shard.cls, shard.token_ids, shard.weights, in_order[here] - self._starts[i])

    def gather(
        self, rows: Sequence[int] | np.ndarray, top_k: int | None = None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The parts of some documents: cls (n, d') float32, token_ids (n, k), weights (n, k) float32.

        ``rows`` (n,) in any order; ``top_k`` keeps only the largest weights.
        """
        rows = np.asarray(rows, np.int64)
        width = min(top_k or self.top_k, self.top_k)
        dtype = self.shards[0].token_ids.dtype if self.shards else np.uint16
        cls = np.empty((len(rows), self.model.cls_dim), np.float32)
        token_ids, weights = np.empty((len(rows), width), dtype), np.empty((len(rows), width), np.float32)
        for piece in self.pieces(rows):
            # Unlike an index, ``take`` copies rows at a time, and lets other threads run.
            cls[piece.places] = piece.cls.take(piece.rows, axis=0)
            token_ids[piece.places] = piece.token_ids.take(piece.rows, axis=0)[:, :width]
            weights[piece.places] = piece.weights.take(piece.rows, axis=0)[:, :width]
        return cls, token_ids, weights

    def content(self, row: int) -> str | None:
        """The text of a document as it was encoded, or None when the store was made without ``--store-contents``."""
        i = int(np.searchsorted(self._starts, row, side="right")) - 1
        shard = self.shards[i]
        return shard.content(row - int(self._starts[i])) if shard.has_contents else None
