"""Texts to pre-train on: files of JSON lines, of MS MARCO or of plain text, `datasets`, and ir_datasets corpora.

All are read as a stream.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pyserini_dupmae.data.ir_dataset import PREFIX as IR_DATASETS
from pyserini_dupmae.data.ir_dataset import IrDataset
from pyserini_dupmae.data.jsonl import read_objects
from pyserini_dupmae.data.lines import numbered_texts, plain_suffix
from pyserini_dupmae.data.msmarco import parse_columns
from pyserini_dupmae.data.readers import COLLECTION_NAMES, only_collection
from pyserini_dupmae.util.errors import UserError, first_line
from pyserini_dupmae.util.lazy import require

DATASETS = "datasets:"
SUFFIXES = (".jsonl", ".txt", ".tsv")
BODY_FIELDS = ("text", "contents", "body")
SOURCE_HELP = (
    "a .jsonl, .txt or .tsv file (may end in .gz or .zst), a folder of them, "
    "datasets:NAME_OR_FOLDER[:CONFIG[:SPLIT]], or ir_datasets:NAME"
)


def read_texts(source: str, fields: Sequence[str] = ()) -> Iterator[str]:
    """The texts of ``source``, one at a time; see `SOURCE_HELP` for what it may be.

    A record's text is its ``fields`` joined by a space; by default its title, if it has one, and the first of
    `BODY_FIELDS`. A plain text file has one text a line, a .tsv file an id and a text, or an id, a title and a text, as
    MS MARCO's. A folder that holds a ``corpus.*`` or ``collection.*`` gives that alone.

    Raises:
        UserError: there is no such source, or a line or record that cannot be used; names the place.
    """
    if source.startswith(DATASETS):
        records = _dataset(source)
    elif source.startswith(IR_DATASETS):
        records = _corpus(source, fields)
    else:
        for path in files_of(source):
            yield from _file(path, fields)
        return
    for number, record in enumerate(records, 1):
        yield _text(record, fields, f"{source}, record {number}")


def files_of(source: str) -> list[Path]:
    """The files of a path, in sorted order; raises `UserError` when there are none that can be read."""
    path = Path(source)
    if not path.exists():
        raise UserError(f"no file or folder {source!r}; give {SOURCE_HELP}")
    files = sorted(file for file in path.rglob("*") if file.is_file() and _is_text(file)) if path.is_dir() else [path]
    files = [file for file in files if plain_suffix(file) in SUFFIXES]
    if not files:
        raise UserError(f"{source!r} holds no text that can be read ({', '.join(SUFFIXES)}); give {SOURCE_HELP}")
    directly = [file for file in files if file.parent == path]
    collection = only_collection(directly)
    return collection if len(collection) < len(directly) else files


def _is_text(file: Path) -> bool:
    """Whether a file of a folder is to be read: of tables only those of documents are, not queries and judgements."""
    return plain_suffix(file) != ".tsv" or file.name.partition(".")[0] in COLLECTION_NAMES


def fingerprint(source: str) -> str:
    """A hash of a source: of its files' bytes, or its name where another library keeps the data."""
    if source.startswith((DATASETS, IR_DATASETS)):
        return source
    digest = hashlib.sha256()
    for path in files_of(source):
        with open(path, "rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()


def _file(path: Path, fields: Sequence[str]) -> Iterator[str]:
    suffix = plain_suffix(path)
    if suffix == ".jsonl":
        return (_text(record, fields, place) for place, record in read_objects(path))
    if suffix == ".tsv":
        return _table(path, fields)
    return (line.strip() for _, line in numbered_texts(path))


def _table(path: Path, fields: Sequence[str]) -> Iterator[str]:
    for number, line in numbered_texts(path):
        place = f"{path}:{number}"
        try:
            record = parse_columns(line)
        except ValueError as error:
            raise UserError(f"{place}: {error}") from None
        yield _text(record, fields or ["contents" if "contents" in record else "text"], place)


def _text(record: Mapping[str, Any], fields: Sequence[str], place: str) -> str:
    names = list(fields)
    if not names:
        body = next((name for name in BODY_FIELDS if name in record), None)
        if body is None:
            raise UserError(
                f"{place}: no field {' or '.join(BODY_FIELDS)} (it has {', '.join(record) or 'none'}); "
                "name its fields with --fields"
            )
        names = ["title", body] if record.get("title") else [body]
    for name in names:
        if name not in record:
            raise UserError(f"{place}: no field {name!r} (it has {', '.join(record) or 'none'})")
        if not isinstance(record[name], str):
            raise UserError(f"{place}: field {name!r} is {type(record[name]).__name__}, not text")
    return " ".join(record[name].strip() for name in names).strip()


def _dataset(source: str) -> Iterator[Mapping[str, Any]]:
    datasets = require("datasets", f"reading {source!r}", "datasets")
    name, config, split = (*source.removeprefix(DATASETS).split(":"), "", "")[:3]
    try:
        if (Path(name) / "state.json").exists() or (Path(name) / "dataset_dict.json").exists():
            found = datasets.load_from_disk(name)
            found = found[split or "train"] if isinstance(found, datasets.DatasetDict) else found
        else:
            found = datasets.load_dataset(name, config or None, split=split or "train", streaming=True)
    except (OSError, ValueError, KeyError) as error:  # what the library raises for a wrong name, configuration or split
        raise UserError(f"cannot open {source!r}: {first_line(error)}") from None
    return iter(found)


def _corpus(source: str, fields: Sequence[str]) -> Iterator[Mapping[str, Any]]:
    for document in IrDataset(source.removeprefix(IR_DATASETS), "docs").documents():
        yield document._asdict() if fields else {"text": document.default_text()}
