"""Documents, queries and judgements of ir_datasets, and what is said when they cannot be had."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pyserini_dupmae.util.errors import UserError, first_line

PARTS = {"docs": "documents", "queries": "queries", "qrels": "judgements"}


class DatasetPart:
    """The documents, queries or judgements of a dataset, as the records of ir_datasets; can be iterated many times.

    Args:
        dataset_id: such as ``beir/nfcorpus/train``.
        part: one of `PARTS`.
        not_a: what else the id could have been and is not, for the message: ``("file",)``.

    Raises:
        UserError: ir_datasets is not installed, knows no such dataset, the dataset lacks the part or, when iterated,
            cannot be downloaded.
    """

    def __init__(self, dataset_id: str, part: str, not_a: tuple[str, ...] = ()):
        try:
            import ir_datasets
        except ImportError:
            seen = f" is no {' and no '.join(not_a)};" if not_a else ":"
            raise UserError(f"{dataset_id!r}{seen} to read it with ir_datasets: pip install ir_datasets") from None
        try:
            self.dataset = ir_datasets.load(dataset_id)
        except KeyError:
            tried = " and no ".join((*not_a, "dataset of ir_datasets"))
            raise UserError(f"{dataset_id!r} is no {tried}; see https://ir-datasets.com for its names") from None
        self.dataset_id, self.part = dataset_id, part
        if not getattr(self.dataset, f"has_{part}")():
            raise UserError(
                f"the dataset {dataset_id!r} of ir_datasets has no {PARTS[part]}; name one of its sets that has"
            )

    def __iter__(self) -> Iterator[Any]:
        try:
            yield from getattr(self.dataset, f"{self.part}_iter")()
        except (OSError, RuntimeError) as error:  # what ir_datasets raises when a download fails
            reason = first_line(error)[:200]
            raise UserError(f"the {PARTS[self.part]} of {self.dataset_id!r} cannot be fetched: {reason}") from None
