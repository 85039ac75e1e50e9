"""What a system found for each query, to be shown: a JSONL file with a line for each.

{"qid": "PLAIN-1", "text": "...", "hits": [{"docid": "MED-4", "score": 9.1, "relevance": 1, "dense": 4.0,
 "sparse": 5.1, "words": [["tide", 3.2], ["sea", 1.9]]}, ...]}
"""

from __future__ import annotations

import json
import os
from collections.abc import Container, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from pyserini_dupmae.data.jsonl import read_objects
from pyserini_dupmae.util.errors import UserError
from pyserini_dupmae.util.files import atomic_open

SHOWN_HITS, SHOWN_WORDS = 10, 8
"""What is kept of a ranking: so many documents, and words of each score."""


@dataclass(frozen=True)
class FoundDocument:
    """A document of a ranking: its score, the parts that the system has of it, and the words that carry ``sparse``,
    each with what it contributes, largest first; ``relevance`` is the judgement's, 0 without one."""

    docid: str
    score: float
    dense: float | None = None
    sparse: float | None = None
    words: tuple[tuple[str, float], ...] = ()
    relevance: int = 0


@dataclass(frozen=True)
class QueryRecord:
    """A query, and the beginning of what was found for it."""

    qid: str
    text: str
    hits: tuple[FoundDocument, ...] = ()


def write_queries(path: str | os.PathLike, records: Iterable[QueryRecord]) -> None:
    """Write ``records``, a line each."""
    with atomic_open(path) as stream:
        for record in records:
            stream.write(json.dumps(asdict(record), ensure_ascii=False) + "\n")


def read_queries(path: str | os.PathLike, wanted: Container[str] | None = None) -> Iterator[QueryRecord]:
    """The records of the queries ``wanted`` (default: all). Raises `UserError`, naming the line."""
    from pydantic import TypeAdapter, ValidationError

    form = TypeAdapter(QueryRecord)
    for place, entry in read_objects(Path(path)):
        if wanted is None or entry.get("qid") in wanted:
            try:
                yield form.validate_python(entry)
            except ValidationError as error:
                first = error.errors(include_url=False)[0]
                where = ".".join(map(str, first["loc"]))
                raise UserError(f"{place}: {where}: {first['msg']}; `pydoc {__name__}` has the form") from None
