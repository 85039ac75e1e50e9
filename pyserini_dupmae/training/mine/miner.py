"""Searching the training queries and writing what is selected of their hits."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from pyserini_dupmae.training.data import TrainingSet
from pyserini_dupmae.training.mine.selection import Selection
from pyserini_dupmae.util.errors import UserError

if TYPE_CHECKING:
    from pyserini_dupmae.search.searcher import DupMAESearcher


@dataclass
class Miner:
    """Gives the negatives of the queries of ``training_set`` that have the numbers ``queries``, in their order.

    They come from the ``depth`` best hits of ``searcher``; ``rows`` is what `rows_of_index` gives for the two.
    ``unproved`` counts the queries whose ranking is not proved.
    """

    searcher: DupMAESearcher
    training_set: TrainingSet
    selection: Selection
    rows: np.ndarray
    queries: np.ndarray
    depth: int
    batch_size: int
    threads: int
    unproved: int = field(default=0, init=False)

    def entries(self, part: range) -> Iterator[str]:
        """A line of JSON for each query of ``part``, by its place in ``queries``."""
        data = self.training_set
        for start in range(part.start, part.stop, self.batch_size):
            batch = self.queries[start : min(start + self.batch_size, part.stop)].tolist()
            rankings = self.searcher.rank([data.queries[query] for query in batch], self.depth, self.threads)
            for query, ranking in zip(batch, rankings, strict=True):
                self.unproved += not ranking.proved
                negatives = self.selection.negatives(query, self.rows[ranking.rows])
                docids = [data.documents.docid(row) for row in negatives.tolist()]
                yield json.dumps({"query_id": data.query_ids[query], "negatives": docids}, ensure_ascii=False) + "\n"


def rows_of_index(searcher: DupMAESearcher, training_set: TrainingSet, index: str) -> np.ndarray:
    """The row in ``training_set.documents`` of each row of the index: (N,) int64.

    Raises:
        UserError: the index holds a document that the source does not have.
    """
    docids = searcher.sources.exact.docids
    rows = training_set.documents.rows(docids)
    if (rows < 0).any():
        raise UserError(
            f"{index} holds the document {docids[int(np.argmin(rows))]!r}, but {training_set.name} has none of "
            "that id; encode the documents of the source, or give the source whose documents were encoded"
        )
    return rows
