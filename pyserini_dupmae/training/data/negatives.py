"""Hard negatives of each query, in every form they come in, read as a stream.

- ``.jsonl``, one query a line: ``{"query_id": "q1", "negatives": ["d7", "d3", ...]}``, the hardest first, which is what
  ``pyserini_dupmae.training.mine`` writes, or msmarco-hard-negatives (`msmarco_hard_negatives`);
- three columns, query id, positive, negative, as MS MARCO's qidpidtriples;
- runs, in TREC's form (qid Q0 docid rank score tag) or in MS MARCO's (qid docid rank). The lines of a query stand
  together, as in every run that was written query by query.

Three columns are a run when the first line ends in rank 1. All of them may be compressed.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

from pyserini_dupmae.data.jsonl import read_objects
from pyserini_dupmae.data.lines import numbered_texts, plain_suffix
from pyserini_dupmae.data.runs import MSMARCO_COLUMNS, TREC_COLUMNS
from pyserini_dupmae.training.data import msmarco_hard_negatives
from pyserini_dupmae.training.data.resolve_ids import Listed, finite, identifier
from pyserini_dupmae.util.errors import UserError

FORMS = "query positive negative, or a run: qid Q0 docid rank score tag, or qid docid rank"


def read_negatives(path: Path) -> Iterator[Listed]:
    """The negatives of ``path``, hardest first; a query may come more than once.

    Raises:
        UserError: a line that cannot be used; names it.
    """
    if plain_suffix(path) == ".jsonl":
        for where, record in read_objects(path):
            yield _mined(where, record) if "query_id" in record else msmarco_hard_negatives.negatives(where, record)
        return
    first = next((line for _, line in numbered_texts(path)), "").split()
    if len(first) == TREC_COLUMNS or (len(first) == MSMARCO_COLUMNS and first[-1] == "1"):
        yield from _run(path, len(first))
    else:
        for where, (qid, _, negative) in _rows(path, columns=3):
            yield Listed(where, qid, [negative], [])


def _mined(where: str, record: dict[str, Any]) -> Listed:
    negatives = record.get("negatives")
    if not isinstance(negatives, list):
        raise UserError(f"{where}: 'negatives' must be a list of docids, got {type(negatives).__name__}")
    return Listed(where, identifier(record["query_id"], where), [identifier(docid, where) for docid in negatives], [])


def _run(path: Path, columns: int) -> Iterator[Listed]:
    docid, order, what, sign = (2, 4, "score", -1) if columns == TREC_COLUMNS else (1, 2, "rank", 1)
    lines = (
        (where, fields[0], sign * finite(fields[order], where, what), fields[docid])
        for where, fields in _rows(path, columns)
    )
    for qid, of_query in groupby(lines, key=itemgetter(1)):
        ranked = sorted(of_query, key=itemgetter(2))
        for where, _, _, document in ranked:
            yield Listed(where, qid, [document], [])


def _rows(path: Path, columns: int) -> Iterator[tuple[str, list[str]]]:
    for number, line in numbered_texts(path):
        fields = line.split()
        if len(fields) != columns:
            raise UserError(f"{path}:{number}: {len(fields)} columns, but negatives have {columns} here ({FORMS})")
        yield f"{path}:{number}", fields
