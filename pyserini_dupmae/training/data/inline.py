"""Files that hold the texts themselves, turned into a BEIR folder with negatives and scores beside it.

- ``.jsonl``: ``{"query": "...", "positives": ["...", ...], "negatives": [...], "scores": {"positives": [1.5, ...],
  "negatives": [...]}}``, where all but the first two may be missing, or FlagEmbedding's spelling: ``query``, ``pos``,
  ``neg``, ``pos_scores``, ``neg_scores``;
- ``.tsv``: query, positive, negative, as MS MARCO's triples.train.small.tsv.

Ids are hashes of the text: equal texts are one document, and the lines of equal queries are one query.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

from pyserini_dupmae.data.beir import write_beir
from pyserini_dupmae.data.jsonl import read_objects
from pyserini_dupmae.data.lines import numbered_texts, plain_suffix
from pyserini_dupmae.training.data.listings import finite
from pyserini_dupmae.util.errors import UserError

SPLIT = "train"
NEGATIVES, SCORES = "negatives.jsonl", "scores.tsv"


class _Example(NamedTuple):
    """A line: each of ``positives`` and ``negatives`` is a text and its score, None when it has none."""

    query: str
    positives: list[tuple[str, float | None]]
    negatives: list[tuple[str, float | None]]


def write_folder(path: Path, folder: Path) -> None:
    """Write what ``path`` holds to ``folder``: BEIR's files and, if there are any, `NEGATIVES` and `SCORES`.

    Raises:
        UserError: a line that cannot be used; names it.
    """
    seen: set[str] = set()
    with (
        write_beir(folder, [SPLIT], escape=True) as collection,
        open(folder / NEGATIVES, "w", encoding="utf-8") as negatives,
        open(folder / SCORES, "w", encoding="utf-8") as scores,
    ):
        for example in _examples(path):
            qid = _id("query", example.query)
            if qid not in seen:
                seen.add(qid)
                collection.query(qid, example.query)
            for text, score in [*example.positives, *example.negatives]:
                docid = _id("document", text)
                if docid not in seen:
                    seen.add(docid)
                    collection.document(docid, text)
                if score is not None:
                    scores.write(f"{qid}\t{docid}\t{score!r}\n")
            for text, _ in example.positives:
                collection.judgement(SPLIT, qid, _id("document", text))
            if example.negatives:
                listed = [_id("document", text) for text, _ in example.negatives]
                negatives.write(json.dumps({"query_id": qid, "negatives": listed}) + "\n")
    if not seen:
        raise UserError(f"{path} holds no query")
    for name in (NEGATIVES, SCORES):
        if not (folder / name).stat().st_size:
            (folder / name).unlink()


def _id(kind: str, text: str) -> str:
    return blake2b(text.encode(), digest_size=16, person=kind.encode()).hexdigest()


def _examples(path: Path) -> Iterator[_Example]:
    kind = plain_suffix(path)
    if kind not in (".jsonl", ".tsv"):
        raise UserError(f"{path} is neither .jsonl nor .tsv (both also compressed), the files that hold training data")
    return _json_examples(path) if kind == ".jsonl" else _triples(path)


def _triples(path: Path) -> Iterator[_Example]:
    for number, line in numbered_texts(path):
        where, columns = f"{path}:{number}", line.split("\t")
        if len(columns) != 3:
            raise UserError(f"{where}: {len(columns)} columns, expected three: query, positive, negative")
        query, positive, negative = (_text(column, where) for column in columns)
        yield _Example(query, [(positive, None)], [(negative, None)])


def _json_examples(path: Path) -> Iterator[_Example]:
    for where, record in read_objects(path):
        if "positives" in record:
            scores = record.get("scores", {})
            if not isinstance(scores, dict):
                raise UserError(f'{where}: scores must be {{"positives": [...], "negatives": [...]}}, got {scores!r}')
            positives, negatives = ((record.get(name), scores.get(name)) for name in ("positives", "negatives"))
        else:
            positives, negatives = ((record.get(name), record.get(f"{name}_scores")) for name in ("pos", "neg"))
        if not positives[0]:
            raise UserError(f"{where}: no positives (a list of texts called positives or pos)")
        yield _Example(_text(record.get("query"), where), _scored(*positives, where), _scored(*negatives, where))


def _scored(texts: Any, scores: Any, where: str) -> list[tuple[str, float | None]]:
    texts = [] if texts is None else texts
    if not isinstance(texts, list) or not isinstance(scores, list | None):
        raise UserError(f"{where}: positives, negatives and their scores must be lists")
    if scores is None:
        return [(_text(text, where), None) for text in texts]
    if len(scores) != len(texts):
        raise UserError(f"{where}: {len(scores)} scores for {len(texts)} texts; give one for each")
    return [(_text(text, where), finite(score, where)) for text, score in zip(texts, scores, strict=True)]


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise UserError(f"{where}: a query, positive or negative is {value!r}, not a text")
    text = value.strip()
    if not text:
        raise UserError(f"{where}: a query, positive or negative is empty")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise UserError(f"{where}: half of a surrogate pair, which is no character, is in a text") from None
    return text
