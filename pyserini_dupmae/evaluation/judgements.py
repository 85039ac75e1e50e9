"""Qrels: query id -> docid -> relevance, a whole number; 0 and below are not relevant.

Read from TREC's and MS MARCO's form (``qid iteration docid relevance``), BEIR's (tab-separated, header line
``query-id corpus-id score``) or an ir_datasets id.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from pyserini_dupmae.errors import UserError
from pyserini_dupmae.lines import numbered_texts

Qrels = dict[str, dict[str, int]]

BEIR_HEADER = ["query-id", "corpus-id", "score"]


def read_qrels(source: str | os.PathLike) -> Qrels:
    """Read the judgements of a file (also gzipped) or, when there is no such file, of an ir_datasets id.

    A judgement that stands twice with the same relevance counts once. Raises `UserError`, with file and line, for a
    malformed line and for two different judgements of one document; also when neither file nor data set is found.
    """
    judgements = _file_judgements(source) if Path(source).exists() else _dataset_judgements(str(source))
    qrels = _collect(judgements)
    if not qrels:
        raise UserError(f"{source} holds no judgement")
    return qrels


def _collect(judgements: Iterable[tuple[str, str, str, int]]) -> Qrels:
    qrels: Qrels = {}
    for where, qid, docid, relevance in judgements:
        known = qrels.setdefault(qid, {}).setdefault(docid, relevance)
        if known != relevance:
            raise UserError(f"{where}: query {qid}, document {docid} is judged {relevance}, but {known} before")
    return qrels


def _file_judgements(path: str | os.PathLike) -> Iterator[tuple[str, str, str, int]]:
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
            yield where, qid, docid, int(relevance)
        except ValueError:
            raise UserError(f"{where}: relevance {relevance!r} is not a whole number") from None


def _dataset_judgements(name: str) -> Iterator[tuple[str, str, str, int]]:
    try:
        import ir_datasets
    except ImportError:
        raise UserError(
            f"no such file: {name}; if it is an ir_datasets id, install that first: pip install ir_datasets"
        ) from None
    try:
        dataset = ir_datasets.load(name)
    except KeyError:
        raise UserError(f"{name} is neither a file nor an ir_datasets id; check the path given as --qrels") from None
    if not dataset.has_qrels():
        raise UserError(f"the ir_datasets id {name} has no judgements; choose one that has")
    try:
        for judgement in dataset.qrels_iter():
            yield name, judgement.query_id, judgement.doc_id, judgement.relevance
    except (OSError, RuntimeError) as error:  # what ir_datasets raises when a download fails
        raise UserError(f"the judgements of {name} cannot be fetched: {str(error)[:200]}") from None
