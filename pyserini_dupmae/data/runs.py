"""Runs: for each query the documents that a system returned, with their scores and ranks.

Two forms are read, told apart by the number of columns: TREC's ``qid Q0 docid rank score tag`` and MS MARCO's
``qid docid rank``.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from pyserini_dupmae.data.lines import numbered_texts
from pyserini_dupmae.util.errors import UserError

TREC_COLUMNS = 6
MSMARCO_COLUMNS = 3

FORMS = ("trec", "msmarco")
"""The forms that `run_lines` writes."""


@dataclass(frozen=True)
class Run:
    """What a system returned.

    Attributes:
        scores: query id -> docid -> score.
        ranks: query id -> the rank that the run itself states for each docid, in the order of ``scores``; None when
            the run states none, and then `ranking` decides.
        name: what errors and tables call it.
    """

    scores: dict[str, dict[str, float]]
    ranks: dict[str, list[int]] | None = None
    name: str = "run"

    def ranking(self, qid: str) -> list[str]:
        """The docids of a query as trec_eval orders them: by score in single precision, ties by docid, descending."""
        scores = self.scores[qid]
        docids = sorted(scores, reverse=True)
        values = np.array([scores[docid] for docid in docids], np.float32)
        return [docids[row] for row in np.argsort(-values, kind="stable")]

    def stated_ranks(self, qid: str) -> dict[str, int]:
        """docid -> rank from 1, as the run states it. Raises `UserError` when these are not ranks from 1, each once."""
        if self.ranks is None:
            return {docid: rank for rank, docid in enumerate(self.ranking(qid), start=1)}
        check_ranks(self.ranks[qid], f"{self.name}, query {qid}")
        return dict(zip(self.scores[qid], self.ranks[qid], strict=True))


def check_ranks(ranks: Sequence[int], where: str) -> None:
    """Raise `UserError` unless ``ranks`` are whole numbers from 1 and each stands once."""
    seen: set[int] = set()
    for rank in ranks:
        if rank < 1:
            raise UserError(f"{where}: rank {rank}; MS MARCO's ranks start at 1")
        if rank in seen:
            raise UserError(f"{where}: rank {rank} stands twice; give each document of a query a rank of its own")
        seen.add(rank)


def read_run(path: str | os.PathLike) -> Run:
    """Read a run in TREC or MS MARCO form, also gzipped.

    In MS MARCO's form a document's score is minus its rank. Raises `UserError` with file and line for a wrong number
    of columns, a score or rank that is no number, a docid that a query has twice, and for an empty file.
    """
    scores: dict[str, dict[str, float]] = {}
    ranks: dict[str, list[int]] = {}
    columns = 0
    for number, line in numbered_texts(path):
        fields = line.split()
        if len(fields) != columns:
            columns = _columns(fields, columns, f"{path}:{number}")
        if columns == TREC_COLUMNS:
            qid, _, docid, rank_text, score_text, _ = fields
        else:
            qid, docid, rank_text = fields
            score_text = "-" + rank_text
        try:
            rank, score = int(rank_text), float(score_text)
        except ValueError:
            raise UserError(f"{path}:{number}: rank {rank_text!r} or score {score_text!r} is not a number") from None
        if not math.isfinite(score):
            raise UserError(f"{path}:{number}: the score is {score_text}, which cannot be ordered")
        documents = scores.setdefault(qid, {})
        if docid in documents:
            raise UserError(f"{path}:{number}: query {qid} has document {docid} twice")
        documents[docid] = score
        ranks.setdefault(qid, []).append(rank)
    if not scores:
        raise UserError(f"{path} is empty")
    if columns == MSMARCO_COLUMNS:
        for qid, of_query in ranks.items():
            check_ranks(of_query, f"{path}, query {qid}")
    return Run(scores, ranks, str(path))


def _columns(fields: list[str], before: int, where: str) -> int:
    if before:
        raise UserError(f"{where}: {len(fields)} columns, but the lines before have {before}")
    if len(fields) not in (TREC_COLUMNS, MSMARCO_COLUMNS):
        raise UserError(
            f"{where}: {len(fields)} columns; a run has 6 (qid Q0 docid rank score tag) or, in MS MARCO's form, 3 "
            "(qid docid rank)"
        )
    return len(fields)


class ScoredHit(Protocol):
    """A document found."""

    @property
    def docid(self) -> str: ...

    @property
    def score(self) -> float: ...


def run_lines(qid: str, hits: Iterable[ScoredHit], form: str, tag: str, in_full: bool = False) -> Iterator[str]:
    """The lines of a query's ``hits``, best first, as Pyserini writes them: ``form`` is one of `FORMS`.

    ``in_full`` gives scores the digits that tell every float32 from the next, where Pyserini gives six decimals.
    """
    digits = ".9g" if in_full else ".6f"
    for rank, hit in enumerate(hits, start=1):
        docid = hit.docid.strip()
        if form == "trec":
            yield f"{qid} Q0 {docid} {rank} {hit.score:{digits}} {tag}\n"
        else:
            yield f"{qid}\t{docid}\t{rank}\n"
