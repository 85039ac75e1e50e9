"""The documents of a source in Arrow files, memory-mapped: all processes of a machine share one copy.

A folder holds ``texts.arrow``, record batches of `BATCH` texts, and ``docids.arrow``, one batch of three columns: the
docids, the hashes of the docids in ascending order, and the rows in the order of these hashes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from pyserini_dupmae.data.corpus import hash64
from pyserini_dupmae.util.errors import UserError
from pyserini_dupmae.util.lazy import require

BATCH = 10_000
TEXTS, DOCIDS = "texts.arrow", "docids.arrow"


class DocumentFiles:
    """docid -> row -> text, of what `write_documents` wrote. Pickles as the path of its folder."""

    def __init__(self, folder: Path):
        self.folder = folder
        self._texts = [batch.column(0) for batch in _read(folder / TEXTS)]
        (index,) = _read(folder / DOCIDS)
        self._docids = index.column(0)
        self._hashes, self._rows = (index.column(i).to_numpy() for i in (1, 2))

    def __reduce__(self) -> tuple[type, tuple[Path]]:
        return DocumentFiles, (self.folder,)

    def __len__(self) -> int:
        return len(self._docids)

    def docid(self, row: int) -> str:
        """The docid of a row."""
        return str(self._docids[row].as_py())

    def row(self, docid: str) -> int:
        """The row of a docid; raises `KeyError` when there is none."""
        row = int(self.rows([docid])[0])
        if row < 0:
            raise KeyError(docid)
        return row

    def rows(self, docids: Sequence[str]) -> np.ndarray:
        """The row of each docid, (n,) int64, -1 where there is none."""
        arrow = _pyarrow()
        hashes = np.fromiter(map(hash64, docids), np.uint64, len(docids))
        places = np.searchsorted(self._hashes, hashes)
        rows = self._rows[np.minimum(places, len(self) - 1)]
        found = self._docids.take(arrow.array(rows))
        same = arrow.compute.equal(found, arrow.array(docids, arrow.large_string()))
        return np.where(same.to_numpy(zero_copy_only=False), rows, -1)

    def texts(self, rows: Iterable[int] | np.ndarray) -> list[str]:
        """The texts of ``rows``, each its title, when it has one, a space and its body."""
        return [self._texts[row // BATCH][row % BATCH].as_py() for row in map(int, rows)]


def write_documents(documents: Iterable[tuple[str, str]], folder: Path) -> None:
    """Write (docid, text) pairs to ``folder``.

    Raises:
        UserError: there is no document, or a docid occurs twice.
    """
    arrow = _pyarrow()
    string, remaining, docids = arrow.large_string(), iter(documents), []
    schema = arrow.schema([("text", string)])
    with arrow.OSFile(str(folder / TEXTS), "wb") as sink, arrow.ipc.new_file(sink, schema) as writer:
        while group := list(islice(remaining, BATCH)):
            writer.write_batch(arrow.record_batch([arrow.array([text for _, text in group], string)], schema=schema))
            docids.append(arrow.array([docid for docid, _ in group], string))
    if not docids:
        raise UserError("the corpus of the training data has no documents")
    index = _index(arrow.concat_arrays(docids))
    with arrow.OSFile(str(folder / DOCIDS), "wb") as sink, arrow.ipc.new_file(sink, index.schema) as writer:
        writer.write_batch(index)


def _index(docids: Any) -> Any:
    arrow = _pyarrow()
    hashes = np.fromiter((hash64(docid.as_py()) for docid in docids), np.uint64, len(docids))
    rows = np.argsort(hashes, kind="stable")
    hashes = hashes[rows]
    for place in np.flatnonzero(hashes[1:] == hashes[:-1]):
        one, other = docids[rows[place]].as_py(), docids[rows[place + 1]].as_py()
        what = f"the docid {one!r} occurs twice" if one == other else f"the docids {one!r} and {other!r} hash alike"
        raise UserError(f"{what} (documents {rows[place] + 1} and {rows[place + 1] + 1}); give each document its own")
    return arrow.record_batch([docids, arrow.array(hashes), arrow.array(rows)], names=["docid", "hash", "row"])


def _read(path: Path) -> list[Any]:
    arrow = _pyarrow()
    reader = arrow.ipc.open_file(arrow.memory_map(str(path)))
    return [reader.get_batch(i) for i in range(reader.num_record_batches)]


def _pyarrow() -> Any:
    require("pyarrow.compute", "training data", "pyarrow")  # which is an attribute of pyarrow from then on
    return require("pyarrow", "training data", "pyarrow")
