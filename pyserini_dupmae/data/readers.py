"""Where documents come from: files of one record a line, or ir_datasets. Each record knows its file and line."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from pyserini_dupmae.data.ir_dataset import DatasetPart
from pyserini_dupmae.data.lines import COMPRESSIONS, numbered_lines
from pyserini_dupmae.util.errors import UserError
from pyserini_dupmae.util.log import logger

COLLECTION_NAMES = ("corpus", "collection")  # BEIR's and MS MARCO's: queries and qrels lie beside them
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class BadDocumentError(Exception):
    """A record that is no document; the message says why, without the place."""


class Entry(NamedTuple):
    """One record before it is decoded: ``decode(raw)`` gives its fields or raises `BadDocumentError`."""

    source: str
    line: int
    raw: Any
    decode: Callable[[Any], dict[str, Any]]

    @property
    def place(self) -> str:
        return f"{self.source}:{self.line}"


def json_record(line: bytes) -> dict[str, Any]:
    """The object on a line of JSON lines."""
    try:
        record = json.loads(_text(line))
    except (ValueError, RecursionError) as error:
        raise BadDocumentError(f"malformed JSON ({error})") from None
    if not isinstance(record, dict):
        raise BadDocumentError(f"malformed: a JSON object is expected, not a {type(record).__name__}")
    return record


def tsv_record(line: bytes) -> dict[str, Any]:
    """MS MARCO's ``id TAB text``, or ``id TAB title TAB text``."""
    columns = _text(line).rstrip("\r\n").split("\t")
    if len(columns) == 2:
        return {"id": columns[0], "text": columns[1]}
    if len(columns) == 3:
        return {"id": columns[0], "title": columns[1], "text": columns[2]}
    raise BadDocumentError(f"malformed: {len(columns)} column(s), but a line is id TAB text or id TAB title TAB text")


def _text(line: bytes) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError as error:
        raise BadDocumentError(f"invalid UTF-8 at byte {error.start + 1} of the line") from None


DECODERS = {".jsonl": json_record, ".json": json_record, ".tsv": tsv_record}


class FileEntries:
    """The records of a file, or of the collection files of a folder in sorted order; can be iterated many times.

    A folder that holds a ``corpus.*`` or ``collection.*`` gives that alone. Blank lines are passed over.

    Raises:
        UserError: there is no such file or folder, or nothing in it has a known format.
    """

    def __init__(self, corpus: Path):
        self.paths = _collection_files(corpus)

    def __iter__(self) -> Iterator[Entry]:
        for path in self.paths:
            decode = DECODERS[_format(path)]
            for number, line in numbered_lines(path):
                if number == 1:
                    line = line.removeprefix(_BYTE_ORDER_MARK)
                if line.strip():
                    yield Entry(str(path), number, line, decode)


def _collection_files(corpus: Path) -> list[Path]:
    kinds = f"{', '.join(DECODERS)}, each also with {' or '.join(COMPRESSIONS)}"
    if corpus.is_file():
        if _format(corpus) not in DECODERS:
            raise UserError(f"the name of {corpus} does not tell its format; rename it to end in one of {kinds}")
        return [corpus]
    if not corpus.is_dir():
        raise UserError(f"there is no file or folder {corpus}; give the collection with --corpus")
    files = [path for path in sorted(corpus.iterdir()) if path.is_file() and _format(path) in DECODERS]
    if not files:
        raise UserError(f"the folder {corpus} holds no collection file ({kinds})")
    collection = [path for path in files if path.name.partition(".")[0] in COLLECTION_NAMES]
    if collection and len(collection) < len(files):
        logger.info("of the folder %s only %s is read", corpus, ", ".join(path.name for path in collection))
    return collection or files


def _format(path: Path) -> str:
    """The suffix that tells the format, without that of a compression; MS MARCO v2 has msmarco_v2_passage_00.gz."""
    return Path(path.stem).suffix or ".jsonl" if path.suffix in COMPRESSIONS else path.suffix


def ir_dataset_entries(dataset_id: str) -> Iterable[Entry]:
    """The documents of an ir_datasets collection; its places count documents from 1.

    Raises:
        UserError: as `DatasetPart`.
    """
    return _IrDatasetEntries(DatasetPart(dataset_id, "docs"))


class _IrDatasetEntries:
    def __init__(self, documents: DatasetPart):
        self.documents = documents

    def __iter__(self) -> Iterator[Entry]:
        for number, document in enumerate(self.documents, 1):
            yield Entry(self.documents.dataset_id, number, document, _ir_dataset_record)


def _ir_dataset_record(document: Any) -> dict[str, Any]:
    record = document._asdict()
    return {"id": record.pop("doc_id"), "contents": document.default_text(), **record}
