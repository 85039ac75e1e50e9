"""Files that list documents of a query: its hard negatives, or a teacher's scores. Read as a stream, in every form.

Negatives, the hardest first:

- ``.jsonl``: ``{"query_id": "q1", "negatives": ["d7", "d3", ...]}`` a query, which is what
  ``pyserini_dupmae.training.mine`` writes, or msmarco-hard-negatives;
- three columns, query id, positive, negative, as MS MARCO's qidpidtriples;
- runs, in TREC's form (qid Q0 docid rank score tag) or in MS MARCO's (qid docid rank). The lines of a query stand
  together, as in every run that was written query by query.

Three columns are a run when the first line ends in rank 1.

Scores: three columns, query id, docid, score, as ``pyserini_dupmae.training.teacher score`` writes them, or
msmarco-hard-negatives with scores.

sentence-transformers' msmarco-hard-negatives are lines of ``{"qid": 1, "pos": [7, ...], "neg": {"bm25": [3, ...],
...}}``; instead of an id there may be ``{"pid": 7, "ce-score": 9.5}``. Every file may be compressed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import chain, groupby, zip_longest
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

from pyserini_dupmae.data.jsonl import read_objects
from pyserini_dupmae.data.lines import numbered_texts, plain_suffix
from pyserini_dupmae.data.runs import MSMARCO_COLUMNS, TREC_COLUMNS
from pyserini_dupmae.util.errors import UserError

FORMS = "query positive negative, or a run: qid Q0 docid rank score tag, or qid docid rank"


class Listed(NamedTuple):
    """Documents of a query, with a score each or, when ``scores`` is empty, without. ``where`` is file and line."""

    where: str
    qid: str
    docids: list[str]
    scores: list[float]


def read_negatives(path: Path) -> Iterator[Listed]:
    """The negatives of ``path``, hardest first; a query may come more than once.

    Raises:
        UserError: a line that cannot be used; names it.
    """
    if plain_suffix(path) == ".jsonl":
        for where, record in read_objects(path):
            yield _mined(where, record) if "query_id" in record else _hard_negatives(where, record)
        return
    first = next((line for _, line in numbered_texts(path)), "").split()
    if len(first) == TREC_COLUMNS or (len(first) == MSMARCO_COLUMNS and first[-1] == "1"):
        yield from _run(path, len(first))
    else:
        for where, (qid, _, negative) in _rows(path, 3):
            yield Listed(where, qid, [negative], [])


def read_scores(path: Path) -> Iterator[Listed]:
    """The scores of ``path``.

    Raises:
        UserError: a line that cannot be used; names it.
    """
    if plain_suffix(path) == ".jsonl":
        for where, record in read_objects(path):
            yield _scored(where, record)
        return
    for number, line in numbered_texts(path):
        where, fields = f"{path}:{number}", line.split()
        if len(fields) != 3:
            raise UserError(f"{where}: {len(fields)} columns, expected three: query id, docid, score")
        yield Listed(where, fields[0], [fields[1]], [finite(fields[2], where)])


def finite(value: Any, where: str, what: str = "score") -> float:
    """A score, or ``what`` it is, from a number or a text."""
    try:
        score = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        score = math.nan
    if not math.isfinite(score):
        raise UserError(f"{where}: the {what} {value!r} is not a finite number")
    return score


def _identifier(value: Any, where: str) -> str:
    """A query id or docid, which JSON may hold as a text or as a number."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise UserError(f"{where}: {value!r} is no id, neither a text nor a whole number")
    return str(value)


def _mined(where: str, record: dict[str, Any]) -> Listed:
    negatives = record.get("negatives")
    if not isinstance(negatives, list):
        raise UserError(f"{where}: 'negatives' must be a list of docids, got {type(negatives).__name__}")
    docids = [_identifier(docid, where) for docid in negatives]
    return Listed(where, _identifier(record["query_id"], where), docids, [])


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


def _hard_negatives(where: str, record: dict[str, Any]) -> Listed:
    """The negatives of all systems in msmarco-hard-negatives: the first of each, then the second of each, and so on."""
    qid = _query_id(where, record)
    ranked = chain.from_iterable(zip_longest(*_systems(where, record)))
    return Listed(where, qid, [entry[0] for entry in ranked if entry is not None], [])


def _scored(where: str, record: dict[str, Any]) -> Listed:
    """The positives and negatives in msmarco-hard-negatives that have a score."""
    qid = _query_id(where, record)
    entries = chain(_entries(where, record.get("pos")), *_systems(where, record))
    pairs = [(docid, score) for docid, score in entries if score is not None]
    return Listed(where, qid, [docid for docid, _ in pairs], [score for _, score in pairs])


def _query_id(where: str, record: dict[str, Any]) -> str:
    if "qid" not in record:
        raise UserError(f"{where}: no field 'qid' (it has {', '.join(record) or 'none'})")
    return _identifier(record["qid"], where)


def _systems(where: str, record: dict[str, Any]) -> list[list[tuple[str, float | None]]]:
    systems = record.get("neg")
    if not isinstance(systems, dict):
        raise UserError(f"{where}: 'neg' must be an object, system -> list of negatives, got {type(systems).__name__}")
    return [_entries(where, listed) for listed in systems.values()]


def _entries(where: str, listed: Any) -> list[tuple[str, float | None]]:
    """Docid and score, None where there is none."""
    if not isinstance(listed, list):
        raise UserError(f"{where}: 'pos' and each system of 'neg' must be lists, got {type(listed).__name__}")
    return [_entry(where, item) for item in listed]


def _entry(where: str, item: Any) -> tuple[str, float | None]:
    if not isinstance(item, dict):
        return _identifier(item, where), None
    score = item.get("ce-score")
    return _identifier(item.get("pid"), where), None if score is None else finite(score, where)
