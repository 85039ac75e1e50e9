"""A teacher's scores of queries and documents, read as a stream.

Three columns, query id, docid, score, as ``pyserini_dupmae.training.teacher score`` writes them, or JSON lines in the
form of msmarco-hard-negatives with ``ce-score``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pyserini_dupmae.data.jsonl import read_objects
from pyserini_dupmae.data.lines import numbered_texts, plain_suffix
from pyserini_dupmae.training.data import msmarco_hard_negatives
from pyserini_dupmae.training.data.resolve_ids import Listed, finite
from pyserini_dupmae.util.errors import UserError


def read_scores(path: Path) -> Iterator[Listed]:
    """The scores of ``path``.

    Raises:
        UserError: a line that cannot be used; names it.
    """
    if plain_suffix(path) == ".jsonl":
        for where, record in read_objects(path):
            yield msmarco_hard_negatives.scored(where, record)
        return
    for number, line in numbered_texts(path):
        where, fields = f"{path}:{number}", line.split()
        if len(fields) != 3:
            raise UserError(f"{where}: {len(fields)} columns, expected three: query id, docid, score")
        yield Listed(where, fields[0], [fields[1]], [finite(fields[2], where)])
