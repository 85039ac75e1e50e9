"""Qrels: query id -> docid -> relevance, a whole number; 0 and below are not relevant.

Read from TREC's and MS MARCO's form (``qid iteration docid relevance``), BEIR's (tab-separated, header line
``query-id corpus-id score``) or an ir_datasets id.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from pyserini_dupmae.data.ir_dataset import DatasetPart
from pyserini_dupmae.data.lines import numbered_texts
from pyserini_dupmae.util.errors import UserError

Qrels = dict[str, dict[str, int]]

BEIR_HEADER = ["query-id", "corpus-id", "score"]


class Judgement(NamedTuple):
    """One judgement; ``where`` is its file and line, or the id of its dataset."""

    where: str
    qid: str
    docid: str
    relevance: int


def read_qrels(source: str | os.PathLike) -> Qrels:
    """Read the judgements of a file (also gzipped) or, when there is no such file, of an ir_datasets id.

    A judgement that stands twice with the same relevance counts once. Raises `UserError`, with file and line, for a
    malformed line and for two different judgements of one document; also when neither file nor data set is found.
    """
    qrels = _collect(judgements(source))
    if not qrels:
        raise UserError(f"{source} holds no judgement")
    return qrels


def judgements(source: str | os.PathLike) -> Iterator[Judgement]:
    """The judgements of `read_qrels` one by one, each with its place; raises `UserError` as that does."""
    if Path(source).exists():
        yield from _file_judgements(source)
    else:
        for record in DatasetPart(str(source), "qrels", not_a=("file",)):
            yield Judgement(str(source), record.query_id, record.doc_id, record.relevance)


def _collect(found: Iterable[Judgement]) -> Qrels:
    qrels: Qrels = {}
    for where, qid, docid, relevance in found:
        known = qrels.setdefault(qid, {}).setdefault(docid, relevance)
        if known != relevance:
            raise UserError(f"{where}: query {qid}, document {docid} is judged {relevance}, but {known} before")
    return qrels


def _file_judgements(path: str | os.PathLike) -> Iterator[Judgement]:
    beir = False
    for number, line in numbered_texts(path):
        where = f"{path}:{number}"
        if number == 1 and line.split() == BEIR_HEADER:
            beir = True
            continue
        fields = line.split("\t") if beir else line.split()
        if len(fields) != (3 if beir else 4):
            form = "tab-separated " + " ".join(BEIR_HEADER) if beir else "qid iteration docid relevance"
            raise UserError(f"{where}: {len(fields)} columns, expected {form}")
        qid, docid, relevance = fields[0], fields[-2], fields[-1]
        try:
            yield Judgement(where, qid, docid, int(relevance))
        except ValueError:
            raise UserError(f"{where}: relevance {relevance!r} is not a whole number") from None
