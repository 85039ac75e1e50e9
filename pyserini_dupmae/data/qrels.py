"""Qrels: query id -> docid -> relevance, a whole number; 0 and below are not relevant.

Read from TREC's and MS MARCO's form (``qid iteration docid relevance``), BEIR's (tab-separated, header line
``query-id corpus-id score``) or an ir_datasets id; `pyserini_qrels` fetches what Pyserini's registry has.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from pyserini_dupmae.data.beir import QRELS_HEADER
from pyserini_dupmae.data.ir_dataset import IrDataset
from pyserini_dupmae.data.lines import numbered_texts
from pyserini_dupmae.util.errors import UserError, first_line
from pyserini_dupmae.util.files import atomic_open

LARGEST_RELEVANCE = 10_000
"""trec_eval keeps a count for each grade up to the largest, and aborts where there is no memory for them."""

Qrels = dict[str, dict[str, int]]


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
        for judgement in IrDataset(str(source), "qrels", not_a=("file",)).judgements():
            yield Judgement(str(source), *judgement)


def pyserini_qrels(name: str) -> str:
    """The file of the judgements ``name`` of Pyserini's registry, which Pyserini fetches at first use.

    Raises:
        UserError: Pyserini has no such judgements or cannot fetch them.
    """
    from pyserini_dupmae import jvm

    jvm.prepare()
    from jnius import JavaException
    from pyserini.search import get_qrels_file

    try:
        return str(get_qrels_file(name))
    except (JavaException, OSError) as error:
        raise UserError(f"cannot have the judgements {name!r} from Pyserini's registry: {first_line(error)}") from None


def write_qrels(path: str | os.PathLike, qrels: Qrels) -> None:
    """Write judgements in TREC's form."""
    lines = (f"{qid} 0 {docid} {grade}\n" for qid, judged in qrels.items() for docid, grade in judged.items())
    with atomic_open(path) as stream:
        stream.writelines(lines)


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
        if number == 1 and line.split() == list(QRELS_HEADER):
            beir = True
            continue
        fields = line.split("\t") if beir else line.split()
        if len(fields) != (3 if beir else 4):
            form = "tab-separated " + " ".join(QRELS_HEADER) if beir else "qid iteration docid relevance"
            raise UserError(f"{where}: {len(fields)} columns, expected {form}")
        qid, docid, relevance = fields[0], fields[-2], fields[-1]
        try:
            grade = int(relevance)
        except ValueError:
            raise UserError(f"{where}: relevance {relevance[:50]!r} is not a whole number") from None
        if abs(grade) > LARGEST_RELEVANCE:
            raise UserError(f"{where}: relevance {relevance[:50]} is none; give grades up to {LARGEST_RELEVANCE}")
        yield Judgement(where, qid, docid, grade)
