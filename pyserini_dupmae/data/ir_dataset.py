"""Documents, queries and judgements of a dataset of ir_datasets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pyserini_dupmae.util.errors import UserError, first_line
from pyserini_dupmae.util.lazy import require

PREFIX = "ir_datasets:"
"""What stands before an id where a path could stand as well."""

PARTS = {"docs": "documents", "queries": "queries", "qrels": "judgements"}


class IrDataset:
    """A dataset of ir_datasets; each part can be iterated many times.

    Args:
        dataset_id: such as ``beir/nfcorpus/train``.
        parts: what is asked of it, some of `PARTS`.
        not_a: what else the id could have been and is not, for the message: ``("file",)``.

    Raises:
        UserError: ir_datasets is not installed, knows no such dataset, or the dataset lacks one of ``parts``.
    """

    def __init__(self, dataset_id: str, *parts: str, not_a: tuple[str, ...] = ()):
        tried = f"{dataset_id!r} is no {' and no '.join(not_a)}; reading it" if not_a else f"reading {dataset_id!r}"
        library = require("ir_datasets", tried, "ir_datasets")
        try:
            self._dataset = library.load(dataset_id)
        except KeyError:
            names = " and no ".join((*not_a, "dataset of ir_datasets"))
            raise UserError(f"{dataset_id!r} is no {names}; see https://ir-datasets.com for its names") from None
        self.dataset_id = dataset_id
        for part in parts:
            if not getattr(self._dataset, f"has_{part}")():
                raise UserError(
                    f"the dataset {dataset_id!r} of ir_datasets has no {PARTS[part]}; name one of its sets that has"
                )

    def documents(self) -> Iterator[Any]:
        """The documents, as ir_datasets' records: with ``doc_id``, ``default_text()`` and ``_asdict()``."""
        return self._records("docs")

    def queries(self) -> Iterator[tuple[str, str]]:
        """Each query id and query, in the order of the dataset."""
        return ((query.query_id, query.default_text()) for query in self._records("queries"))

    def judgements(self) -> Iterator[tuple[str, str, int]]:
        """Each query id, docid and relevance, in the order of the dataset."""
        return ((found.query_id, found.doc_id, found.relevance) for found in self._records("qrels"))

    def _records(self, part: str) -> Iterator[Any]:
        try:
            yield from getattr(self._dataset, f"{part}_iter")()
        except (OSError, RuntimeError) as error:  # what ir_datasets raises when a download fails
            reason = first_line(error)[:200]
            raise UserError(f"the {PARTS[part]} of {self.dataset_id!r} cannot be fetched: {reason}") from None
