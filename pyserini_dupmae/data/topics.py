"""Topics from what a user may have: a name that Pyserini knows, a file, or a dataset of ir_datasets.

Files: ``.tsv``, ``.txt`` (query id, tab, text), ``.jsonl``, all of them also as ``.gz`` or ``.zst``, and TREC topics.
The order is Pyserini's: by number when every id is one, else by id as text; a few of Pyserini's names have an order
of their own.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from pyserini_dupmae.data.ir_dataset import IrDataset
from pyserini_dupmae.data.jsonl import has_lone_surrogate, parse_object
from pyserini_dupmae.data.lines import COMPRESSIONS, numbered_texts, plain_suffix
from pyserini_dupmae.util.errors import UserError, first_line
from pyserini_dupmae.util.files import atomic_open

Topic = tuple[str, str]
Topics = str | os.PathLike | Mapping[str, str] | Iterable[Topic]
"""What topics are given as: a name or a file, or the topics themselves, by query id or as pairs."""

ID_FIELDS = ("_id", "id", "qid", "query_id")
TEXT_FIELDS = ("text", "query", "title", "contents")


def read_topics(source: Topics) -> list[Topic]:
    """The (query id, text) pairs of ``source``: those of a name or a file in the order in which Pyserini takes them.

    Topics that are given themselves keep their order.

    >>> read_topics({"7": "why do tides rise?", "3": "how deep is the sea?"})
    [('7', 'why do tides rise?'), ('3', 'how deep is the sea?')]

    Raises:
        UserError: no such topics, an unknown kind of file, a malformed line (file and line are named), or an id that
            occurs twice.
    """
    if not isinstance(source, str | os.PathLike):
        return _checked(source)
    path = Path(source)
    if path.is_file():
        topics = _in_order(_read_file(path))
    elif path.suffix in (".tsv", ".txt", ".jsonl", ".trec", *COMPRESSIONS) or path.is_dir():
        raise UserError(f"there is no topics file {source}")
    else:
        topics = _read_name(str(source))
    if not topics:
        raise UserError(f"{source} holds no topics")
    return topics


def write_topics(path: str | os.PathLike, topics: Iterable[Topic]) -> None:
    """Write ``query id TAB text`` lines; white space within a text becomes single spaces."""
    with atomic_open(path) as stream:
        stream.writelines(f"{qid}\t{' '.join(text.split())}\n" for qid, text in topics)


def _checked(given: Mapping[str, str] | Iterable[Topic]) -> list[Topic]:
    """Topics that a program gives, checked as those of a file are."""
    topics = list(given.items() if isinstance(given, Mapping) else given)
    seen: set[str] = set()
    for qid, text in topics:
        if not isinstance(qid, str) or not isinstance(text, str):
            raise UserError(f"a topic is a query id and a query, both of them strings, not {qid!r} and {text!r}")
        try:
            _checked_id(qid)
        except ValueError as error:
            raise UserError(str(error)) from None
        if qid in seen:
            raise UserError(f"the query id {qid!r} is given twice")
        seen.add(qid)
    if not topics:
        raise UserError("no topics are given")
    return topics


def place_of(path: Path, qid: str) -> str:
    """File and line of a topic that `read_topics` found in a ``.jsonl`` or tab-separated file."""
    parse = _parse_json if plain_suffix(path) == ".jsonl" else _parse_tsv
    return next(f"{path}:{number}" for number, line in numbered_texts(path) if parse(line)[0] == qid)


def _read_file(path: Path) -> list[Topic]:
    suffix = plain_suffix(path)
    if suffix == ".jsonl":
        return _read_lines(path, _parse_json)
    if suffix == ".trec" or (suffix in ("", ".txt") and _starts_like_trec(path)):
        return _read_trec(path)
    if suffix in (".tsv", ".txt"):
        return _read_lines(path, _parse_tsv)
    raise UserError(
        f"cannot tell what {path} holds by its name; topics end in .tsv, .txt, .jsonl (also .gz, .zst) or .trec"
    )


def _read_lines(path: Path, parse: Callable[[str], Topic]) -> list[Topic]:
    topics: list[Topic] = []
    seen: dict[str, int] = {}
    for number, line in numbered_texts(path):
        try:
            qid, text = parse(line)
        except ValueError as error:
            raise UserError(f"{path}:{number}: {error}") from None
        if qid in seen:
            raise UserError(f"{path}:{number}: the query id {qid!r} was already given in line {seen[qid]}")
        seen[qid] = number
        topics.append((qid, text))
    return topics


def _parse_tsv(line: str) -> Topic:
    columns = line.split("\t")
    if len(columns) < 2:
        raise ValueError("no tab between a query id and a query")
    return _checked_id(columns[0]), columns[1].strip()


def _parse_json(line: str) -> Topic:
    value = parse_object(line)
    qid, text = _first(value, ID_FIELDS), _first(value, TEXT_FIELDS)
    if isinstance(qid, bool) or not isinstance(qid, str | int):
        raise ValueError(f"the query id must be a string or a number, got {qid!r}")
    if not isinstance(text, str):
        raise ValueError(f"the query must be a string, got {text!r}")
    if has_lone_surrogate(str(qid) + text):
        raise ValueError("half of a surrogate pair, which is no character, is in the query or its id")
    return _checked_id(str(qid)), text.strip()


def _first(value: Mapping[str, Any], fields: tuple[str, ...]) -> Any:
    for field in fields:
        if field in value:
            return value[field]
    raise ValueError(f"none of the fields {', '.join(fields)} is there")


def _checked_id(qid: str) -> str:
    qid = qid.strip()
    if not qid or len(qid.split()) > 1:
        raise ValueError(f"a query id must be one word, got {qid!r}")
    return qid


def _starts_like_trec(path: Path) -> bool:
    return next((line for _, line in numbered_texts(path)), "").lstrip().lower().startswith("<top")


def _read_trec(path: Path) -> list[Topic]:
    from pyserini_dupmae import jvm

    for _ in numbered_texts(path):  # what cannot be read is said by line, not by Java
        pass
    jvm.prepare()
    from jnius import JavaException
    from pyserini.search import get_topics_with_reader

    try:
        found = get_topics_with_reader("io.anserini.search.topicreader.TrecTopicReader", str(path.absolute()))
    except (JavaException, ValueError, TypeError, AttributeError) as error:
        raise UserError(f"{path} cannot be read as TREC topics: {first_line(error)}") from None
    topics = [(str(qid), fields["title"].strip()) for qid, fields in found.items() if fields.get("title")]
    expected = sum(line.lower().count("<top>") for _, line in numbered_texts(path))
    if len(topics) != expected:  # the reader passes over what it does not understand
        raise UserError(
            f"{path} has {expected} <top>, but Anserini's reader found {len(topics)} topics with an id and a title; "
            "each needs <num>, <title>, <desc> and <narr>, in this order, and an id of its own"
        )
    return topics


def _read_name(name: str) -> list[Topic]:
    from pyserini_dupmae import jvm

    jvm.prepare()
    from pyserini.search._base import topics_mapping

    if name in topics_mapping:
        return _read_pyserini(name)
    return _in_order(list(IrDataset(name, "queries", not_a=("file", "name of Pyserini's topics")).queries()))


def _read_pyserini(name: str) -> list[Topic]:
    from jnius import JavaException
    from pyserini.query_iterator import DefaultQueryIterator

    try:
        return [(str(qid), text) for qid, text in DefaultQueryIterator.from_topics(name)]
    except (JavaException, OSError) as error:
        raise UserError(
            f"cannot have the topics {name!r}, which Pyserini fetches at first use: {first_line(error)}"
        ) from None


def _in_order(topics: list[Topic]) -> list[Topic]:
    numeric = all(qid.isdecimal() for qid, _ in topics)
    return sorted(topics, key=lambda topic: (int(topic[0]), topic[0]) if numeric else topic[0])
