"""What an `ExactScorer` reads of a store, read from a collection in Milvus."""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from typing import overload

import numpy as np

from pyserini_dupmae.index.milvus import BATCH, Loaded, MilvusInfo, read_rows
from pyserini_dupmae.index.milvus_client import Milvus
from pyserini_dupmae.store import Piece
from pyserini_dupmae.store.docids import TakenDocIds
from pyserini_dupmae.util.errors import UserError

REMEMBERED = 1 << 15
"""Documents that are kept: about 3 kB each."""


class MilvusStore:
    """What an `ExactScorer` reads of a store, from Milvus. Documents that were fetched are remembered, some of them."""

    def __init__(self, milvus: Milvus, name: str, info: MilvusInfo):
        self.milvus, self.name, self.info = milvus, name, info
        self.model, self.top_k, self.dtype, self.idf = info.model, info.top_k, info.dtype, info.idf
        self.folders = [f"{name} in {milvus.uri}"]
        self.terms: Sequence[str] = ()
        """The index term of each vocabulary id; they are not in Milvus, but in the model that searches."""
        self.docids = MilvusDocIds(self)
        self._memory: OrderedDict[int, Loaded] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return self.info.documents

    def digest(self) -> str:
        """What tells this collection from others."""
        return self.info.collection

    def documents(self, rows: Iterable[int]) -> list[Loaded]:
        """The documents of ``rows``, in their order; those that are not remembered are fetched.

        Raises:
            UserError: one of them is gone, or Milvus does not answer.
        """
        wanted = list(rows)
        with self._lock:
            found = {row: self._memory[row] for row in wanted if row in self._memory}
        missing = sorted({row for row in wanted if row not in found})
        for start in range(0, len(missing), BATCH):
            part = missing[start : start + BATCH]
            fetched = read_rows(self.milvus, self.name, self.info, f"row in {part}", contents=False)
            gone = [row for row in part if row not in fetched]
            if gone:
                raise self.changed(f"it has lost the document of row {gone[0]}")
            found.update(fetched)
        with self._lock:
            self._memory.update((row, found[row]) for row in missing)
            while len(self._memory) > REMEMBERED:
                self._memory.popitem(last=False)
        return [found[row] for row in wanted]

    def pieces(self, rows: np.ndarray) -> Iterator[Piece]:
        """As `ForwardStore.pieces`; there is one."""
        places = np.arange(len(rows))
        yield Piece(places, *self.gather(rows), places)

    def gather(
        self, rows: Sequence[int] | np.ndarray, top_k: int | None = None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """As `ForwardStore.gather`."""
        found = self.documents(np.asarray(rows).tolist())
        width = min(top_k or self.top_k, self.top_k)
        cls = np.empty((len(found), self.model.cls_dim), np.float32)
        token_ids, weights = np.zeros((len(found), width), np.int32), np.zeros((len(found), width), np.float32)
        for number, document in enumerate(found):
            cls[number] = document.cls
            kept = document.token_ids[:width]
            token_ids[number, : len(kept)], weights[number, : len(kept)] = kept, document.weights[:width]
        return cls, token_ids, weights

    def changed(self, how: str) -> UserError:
        return UserError(
            f"the collection {self.name} in {self.milvus.uri} has changed since it was loaded: {how}; load it again "
            "with pyserini_dupmae.index --to-milvus --overwrite"
        )


class MilvusDocIds(TakenDocIds):
    """The docid of every row, fetched where one is asked for."""

    def __init__(self, store: MilvusStore):
        self._store = store

    def __len__(self) -> int:
        return len(self._store)

    @overload
    def __getitem__(self, row: int) -> str: ...

    @overload
    def __getitem__(self, row: slice) -> list[str]: ...

    def __getitem__(self, row: int | slice) -> str | list[str]:
        rows = range(len(self))[row]
        return self.take(rows) if isinstance(rows, range) else self.take([rows])[0]

    def take(self, rows: Iterable[int]) -> list[str]:
        """The docids of ``rows``, in their order."""
        return [document.docid for document in self._store.documents(rows)]

    def index(self, docid: object, start: int = 0, stop: int | None = None) -> int:
        """The row of ``docid``; raises ValueError when no document has it."""
        condition = f"docid == {json.dumps(str(docid), ensure_ascii=False)}"
        found = self._store.milvus.ask("query", self._store.name, filter=condition, output_fields=["row"])
        for row in sorted(int(one["row"]) for one in found):
            if start <= row < (len(self) if stop is None else stop):
                return row
        raise ValueError(f"{docid!r} is not among the docids")
