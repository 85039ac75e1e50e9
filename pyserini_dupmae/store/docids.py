"""The docids of a collection, read where one is asked for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import overload

import numpy as np

from pyserini_dupmae.store.shard import Shard


class TakenDocIds(Sequence[str], ABC):
    """The docid of every row, of which some can be taken at once."""

    @abstractmethod
    def take(self, rows: Iterable[int]) -> list[str]:
        """The docids of ``rows``, which are not negative, in their order."""


class DocIds(TakenDocIds):
    """The docid of every row of some shards, one after another. To make it, or to ask for one, reads no other."""

    def __init__(self, shards: Sequence[Shard]):
        self._shards = shards
        self._starts = [0, *accumulate(len(shard) for shard in shards)]

    def __len__(self) -> int:
        return self._starts[-1]

    @overload
    def __getitem__(self, row: int) -> str: ...

    @overload
    def __getitem__(self, row: slice) -> list[str]: ...

    def __getitem__(self, row: int | slice) -> str | list[str]:
        if isinstance(row, slice):
            return self.take(range(*row.indices(len(self))))
        (docid,) = self.take([row + len(self) if row < 0 else row])
        return docid

    def __iter__(self) -> Iterator[str]:
        for shard in self._shards:
            yield from shard.docids()

    def take(self, rows: Iterable[int]) -> list[str]:
        """The docids of ``rows``, which are not negative, in their order."""
        starts, shards, end = self._starts, self._shards, self._starts[-1]
        found = []
        for row in rows:
            if row >= end:
                raise IndexError(f"row {row} of {end} documents")
            number = bisect_right(starts, row) - 1
            found.append(shards[number].docid_strings[row - starts[number]])
        return found

    def index(self, docid: object, start: int = 0, stop: int | None = None) -> int:
        """The row of ``docid``; raises ValueError when no document has it. Decodes no other docid."""
        wanted = np.frombuffer(str(docid).encode(), np.uint8)
        for first, shard in zip(self._starts, self._shards, strict=False):
            row = shard.docid_strings.find(wanted)
            if row is not None and start <= first + row < (len(self) if stop is None else stop):
                return first + row
        raise ValueError(f"{docid!r} is not among the docids")

    def __contains__(self, docid: object) -> bool:
        try:
            self.index(docid)
        except ValueError:
            return False
        return True
