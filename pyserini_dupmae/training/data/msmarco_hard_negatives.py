"""sentence-transformers' msmarco-hard-negatives: JSON lines of mined negatives, with or without teacher scores.

A line is ``{"qid": 1, "pos": [7, ...], "neg": {"bm25": [3, ...], ...}}``; instead of an id there may be
``{"pid": 7, "ce-score": 9.5}``.
"""

from __future__ import annotations

from itertools import chain, zip_longest
from typing import Any

from pyserini_dupmae.training.data.resolve_ids import Listed, finite, identifier
from pyserini_dupmae.util.errors import UserError

_Entry = tuple[str, float | None]


def negatives(where: str, record: dict[str, Any]) -> Listed:
    """The negatives of all systems: the first of each, then the second of each, and so on."""
    qid = _query_id(where, record)
    ranked = chain.from_iterable(zip_longest(*_negatives(where, record)))
    return Listed(where, qid, [entry[0] for entry in ranked if entry is not None], [])


def scored(where: str, record: dict[str, Any]) -> Listed:
    """The positives and negatives that have a score."""
    qid = _query_id(where, record)
    entries = chain(_entries(where, record.get("pos")), *_negatives(where, record))
    pairs = [entry for entry in entries if entry[1] is not None]
    return Listed(where, qid, [docid for docid, _ in pairs], [score for _, score in pairs])


def _query_id(where: str, record: dict[str, Any]) -> str:
    if "qid" not in record:
        raise UserError(f"{where}: no field 'qid' (it has {', '.join(record) or 'none'})")
    return identifier(record["qid"], where)


def _negatives(where: str, record: dict[str, Any]) -> list[list[_Entry]]:
    systems = record.get("neg")
    if not isinstance(systems, dict):
        raise UserError(f"{where}: 'neg' must be an object, system -> list of negatives, got {type(systems).__name__}")
    return [_entries(where, listed) for listed in systems.values()]


def _entries(where: str, listed: Any) -> list[_Entry]:
    if not isinstance(listed, list):
        raise UserError(f"{where}: 'pos' and each system of 'neg' must be lists, got {type(listed).__name__}")
    return [_entry(where, item) for item in listed]


def _entry(where: str, item: Any) -> _Entry:
    if not isinstance(item, dict):
        return identifier(item, where), None
    score = item.get("ce-score")
    return identifier(item.get("pid"), where), None if score is None else finite(score, where)
