"""From files of one record a line, or from ir_datasets, to the docid and the text of each record."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from pyserini_dupmae.data.ir_dataset import IrDataset
from pyserini_dupmae.data.jsonl import has_lone_surrogate, parse_object
from pyserini_dupmae.data.lines import COMPRESSIONS, numbered_lines
from pyserini_dupmae.data.msmarco import parse_columns
from pyserini_dupmae.util.errors import UserError
from pyserini_dupmae.util.log import logger

COLLECTION_NAMES = ("corpus", "collection")
"""What documents are called that queries and judgements lie beside: by BEIR or with titles, and by MS MARCO."""
DOCID_FIELDS = ("id", "_id", "docid")
LONGEST_DOCID = 32_766
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class BadDocumentError(Exception):
    """A record that is no document; the message says why, without the place."""


class RawRecord(NamedTuple):
    """A record before it is decoded: ``decode(raw)`` gives its fields or raises `BadDocumentError`."""

    source: str
    line: int
    raw: Any
    decode: Callable[[Any], dict[str, Any]]


class Records(Protocol):
    """The records of a collection, in order; can be iterated many times."""

    def __iter__(self) -> Iterator[RawRecord]: ...


def json_fields(line: bytes) -> dict[str, Any]:
    """The fields of a line of JSON lines."""
    return _parsed(parse_object, line)


def tsv_fields(line: bytes) -> dict[str, Any]:
    """The fields of a line of MS MARCO's collection."""
    return _parsed(parse_columns, line)


def _parsed(parse: Callable[[str], dict[str, Any]], line: bytes) -> dict[str, Any]:
    try:
        return parse(line.decode())
    except UnicodeDecodeError as error:
        raise BadDocumentError(f"invalid UTF-8 at byte {error.start + 1} of the line") from None
    except ValueError as error:
        raise BadDocumentError(str(error)) from None


DECODERS = {".jsonl": json_fields, ".json": json_fields, ".tsv": tsv_fields}


class FileRecords:
    """The records of a file, or of the collection files of a folder in sorted order.

    A folder that holds a ``corpus.*`` or, without one, a ``collection.*`` gives that alone. Blank lines are left out.

    Raises:
        UserError: there is no such file or folder, or nothing in it has a known format.
    """

    def __init__(self, corpus: Path):
        self.paths = _collection_files(corpus)

    def __iter__(self) -> Iterator[RawRecord]:
        for path in self.paths:
            decode = DECODERS[_format(path)]
            for number, line in numbered_lines(path):
                if number == 1:
                    line = line.removeprefix(_BYTE_ORDER_MARK)
                if line.strip():
                    yield RawRecord(str(path), number, line, decode)


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
    collection = only_collection(files)
    if len(collection) < len(files):
        logger.info("of the folder %s only %s is read", corpus, ", ".join(path.name for path in collection))
    return collection


def only_collection(files: Sequence[Path]) -> list[Path]:
    """Those of a folder's ``files`` that are called by the first of `COLLECTION_NAMES` that is there; else all."""
    for name in COLLECTION_NAMES:
        if found := [path for path in files if path.name.partition(".")[0] == name]:
            return found
    return list(files)


def _format(path: Path) -> str:
    """The suffix that tells the format, without that of a compression; MS MARCO v2 has msmarco_v2_passage_00.gz."""
    return Path(path.stem).suffix or ".jsonl" if path.suffix in COMPRESSIONS else path.suffix


class IrDatasetRecords:
    """The documents of an ir_datasets collection; their places count documents from 1.

    Raises:
        UserError: as `IrDataset`.
    """

    def __init__(self, dataset_id: str):
        self._dataset = IrDataset(dataset_id, "docs")

    def __iter__(self) -> Iterator[RawRecord]:
        for number, document in enumerate(self._dataset.documents(), 1):
            yield RawRecord(self._dataset.dataset_id, number, document, _ir_dataset_fields)


def _ir_dataset_fields(document: Any) -> dict[str, Any]:
    fields = document._asdict()
    return {"id": fields.pop("doc_id"), "contents": document.default_text(), **fields}


class FieldParser:
    """Finds the docid and the text among the fields of a record, by Pyserini's rules.

    Args:
        fields: the fields to encode, in order, joined by a space. A record without them may hold them in its
            ``contents``, one after another. Default: all of ``contents``, else ``title`` and ``text``, else ``text``.
        delimiter: what separates the fields in ``contents``; one more of them at the end is allowed.
        docid_field: the field of the docid; default: the first of `DOCID_FIELDS` that is there.

    >>> FieldParser().parse({"_id": 7, "title": "Tides", "text": "rise and fall"})
    ('7', 'Tides rise and fall')
    """

    def __init__(self, fields: Sequence[str] | None = None, delimiter: str = "\n", docid_field: str | None = None):
        self.fields, self.delimiter = fields, delimiter
        self.docid_fields = (docid_field,) if docid_field else DOCID_FIELDS

    def parse(self, record: dict[str, Any]) -> tuple[str, str]:
        """The docid and the text; a record that lacks one or holds something else is a `BadDocumentError`."""
        return self._docid(record), _encodable(self._text(record))

    def _docid(self, record: dict[str, Any]) -> str:
        value = next((record[name] for name in self.docid_fields if record.get(name) is not None), None)
        if value is None:
            raise BadDocumentError(f"no id ({', '.join(self.docid_fields)}); name its field with --docid-field")
        if not isinstance(value, str | int) or isinstance(value, bool):
            raise BadDocumentError(f"the id {value!r} is neither a string nor a whole number")
        docid = str(value)
        if not docid or docid.split() != [docid]:
            raise BadDocumentError(f"the id {docid!r} is empty or has white space, which a run file cannot hold")
        if len(_encodable(docid).encode()) > LONGEST_DOCID:
            raise BadDocumentError(
                f"the id {docid[:50]!r}... has more than {LONGEST_DOCID:,} bytes, which Lucene cannot hold"
            )
        return docid

    def _text(self, record: dict[str, Any]) -> str:
        if self.fields is None:
            if "contents" in record:
                return _value(record, "contents")
            if "text" in record:
                return _joined([_value(record, "title"), _value(record, "text")])
            raise BadDocumentError(f"no contents and no text among {', '.join(record)}; name its --fields")
        if all(name in record for name in self.fields):
            return _joined([_value(record, name) for name in self.fields])
        if "contents" not in record:
            missing = next(name for name in self.fields if name not in record)
            raise BadDocumentError(f"no field {missing!r}, and no contents that could hold it")
        return _joined(self._split(_value(record, "contents", strip=False), len(self.fields)))

    def _split(self, contents: str, fields: int) -> list[str]:
        if contents.count(self.delimiter) == fields:
            contents = contents.removesuffix(self.delimiter)
        parts = contents.split(self.delimiter)
        if len(parts) != fields:
            raise BadDocumentError(
                f"contents has {len(parts)} part(s) between {self.delimiter!r}, but --fields names {fields}"
            )
        return [part.strip() for part in parts]


def _value(record: dict[str, Any], name: str, strip: bool = True) -> str:
    value = record.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise BadDocumentError(f"the field {name!r} is a {type(value).__name__}, not a text")
    return value.strip() if strip else value


def _joined(parts: list[str]) -> str:
    return " ".join(part for part in parts if part)


def _encodable(text: str) -> str:
    if has_lone_surrogate(text):
        raise BadDocumentError("half of a surrogate pair, which is no character, is in its id or text")
    return text
