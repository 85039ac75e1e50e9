"""Lines that list documents of a query, as the files of negatives and of scores have them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from itertools import chain, islice
from typing import Any, NamedTuple

import numpy as np

from pyserini_dupmae.training.data.documents import Documents
from pyserini_dupmae.util.errors import UserError

LINES_AT_A_TIME = 10_000


class Listed(NamedTuple):
    """Documents of a query, with a score each or, when ``scores`` is empty, without. ``where`` is file and line."""

    where: str
    qid: str
    docids: list[str]
    scores: list[float]


class Pairs(NamedTuple):
    """Pairs of a query and a document: ``queries`` (n,) int64, ``rows`` (n,) int64, ``scores`` (n,) float32 or NaN."""

    queries: np.ndarray
    rows: np.ndarray
    scores: np.ndarray


def resolve(lines: Iterable[Listed], numbers: Mapping[str, int], documents: Documents, source: str) -> Pairs:
    """The pairs of ``lines`` in their order, without those of queries whose number is -1.

    Args:
        lines: read as a stream.
        numbers: the number of every query of the source.
        documents: those of the source.
        source: its name, for messages.

    Raises:
        UserError: a query or a document that the source does not have.
    """
    lines, parts = iter(lines), []
    while group := list(islice(lines, LINES_AT_A_TIME)):
        for line in group:
            if line.qid not in numbers:
                raise UserError(f"{line.where}: there is no query {line.qid!r} in {source}")
        docids = list(chain.from_iterable(line.docids for line in group))
        lengths = [len(line.docids) for line in group]
        rows = documents.rows(docids)
        if (rows < 0).any():
            unknown = int(np.argmin(rows))
            line = group[int(np.searchsorted(np.cumsum(lengths), unknown, side="right"))]
            raise UserError(f"{line.where}: there is no document {docids[unknown]!r} in {source}")
        scores = chain.from_iterable(line.scores or [math.nan] * len(line.docids) for line in group)
        queries = np.repeat([numbers[line.qid] for line in group], lengths)
        used = queries >= 0
        parts.append((queries[used], rows[used], np.fromiter(scores, np.float32, len(docids))[used]))
    if not parts:
        return Pairs(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float32))
    return Pairs(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def identifier(value: Any, where: str) -> str:
    """A query id or docid that JSON may hold as a text or as a number."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise UserError(f"{where}: {value!r} is no id, neither a text nor a whole number")
    return str(value)


def finite(value: Any, where: str, what: str = "score") -> float:
    """A score or ``what`` it is, as a number or as text."""
    try:
        score = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        score = math.nan
    if not math.isfinite(score):
        raise UserError(f"{where}: the {what} {value!r} is not a finite number")
    return score
