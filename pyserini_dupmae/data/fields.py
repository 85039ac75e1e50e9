"""From the fields of a record to a document's id and text, by Pyserini's rules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pyserini_dupmae.data.readers import BadDocumentError

DOCID_FIELDS = ("id", "_id", "docid")


class FieldParser:
    """Finds the docid and the text of a record.

    Args:
        fields: the fields to encode, in order, joined by a space. A record without them may hold them in its
            ``contents``, one after another. Default: all of ``contents``, else ``title`` and ``text``, else ``text``.
        delimiter: what separates the fields in ``contents``; one more of them at the end is allowed.
        docid_field: the field of the docid; default: the first of ``id``, ``_id``, ``docid`` that is there.
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
        return _encodable(docid)

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
        return _joined(self._split(_value(record, "contents", strip=False)))

    def _split(self, contents: str) -> list[str]:
        if contents.count(self.delimiter) == len(self.fields):
            contents = contents.removesuffix(self.delimiter)
        parts = contents.split(self.delimiter)
        if len(parts) != len(self.fields):
            raise BadDocumentError(
                f"contents has {len(parts)} part(s) between {self.delimiter!r}, but --fields names {len(self.fields)}"
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
    try:
        text.encode()
    except UnicodeEncodeError:
        raise BadDocumentError("half of a surrogate pair, which is no character, is in its id or text") from None
    return text
