"""A collection as a stream of documents, read once to check it and once to encode it."""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pyserini_dupmae.data.readers import BadDocumentError, FieldParser, FileRecords, IrDatasetRecords, Records
from pyserini_dupmae.util.errors import UserError
from pyserini_dupmae.util.log import logger
from pyserini_dupmae.util.progress import Progress

SHOWN_ERRORS = 10


class Document(NamedTuple):
    """A document and the place it was read from: a file, or a dataset, and the line in it."""

    docid: str
    text: str
    source: str
    line: int

    @property
    def place(self) -> str:
        return f"{self.source}:{self.line}"

    def text_hash(self) -> int:
        """What tells whether a text has changed since it was encoded."""
        return hash64(self.text)


@dataclass(frozen=True)
class Survey:
    """What the first reading of a corpus found: good documents, and bad ones that ``skip`` passes over."""

    documents: int
    skipped: int


class Corpus:
    """The documents of a collection, in order; can be iterated many times.

    Args:
        records: of `FileRecords` or `IrDatasetRecords`.
        parser: finds docid and text of a record.
        skip: pass over what is no document instead of raising.
        advice: ends the message about what is no document.
    """

    def __init__(self, records: Records, parser: FieldParser, skip: bool = False, advice: str = "mend it"):
        self.records, self.parser, self.skip, self.advice = records, parser, skip, advice

    @classmethod
    def open(
        cls,
        corpus: str | os.PathLike | None = None,
        ir_dataset: str | None = None,
        *,
        fields: Sequence[str] | None = None,
        delimiter: str = "\n",
        docid_field: str | None = None,
        skip: bool = False,
    ) -> Corpus:
        """The documents of the file or folder ``corpus``, or of the dataset ``ir_dataset``; one of them is given.

        ``fields``, ``delimiter`` and ``docid_field`` are those of `FieldParser`, ``skip`` that of `Corpus`.

        Raises:
            UserError: neither or both are given, or there is no such collection.
        """
        if (corpus is None) == (ir_dataset is None):
            raise UserError("give a corpus or the id of an ir_datasets collection, and not both")
        records: Records = FileRecords(Path(corpus)) if corpus is not None else IrDatasetRecords(str(ir_dataset))
        advice = "mend it, or pass over such documents with --on-error skip"
        return cls(records, FieldParser(fields, delimiter, docid_field), skip, advice)

    def __iter__(self) -> Iterator[Document]:
        """Each document; what is none is a `UserError` naming file and line, unless it is to be skipped."""
        for item in self._parsed():
            if isinstance(item, Document):
                yield item

    def _parsed(self) -> Iterator[Document | str]:
        """Each document, and for each one that is skipped a message."""
        for source, line, raw, decode in self.records:
            try:
                docid, text = self.parser.parse(decode(raw))
            except BadDocumentError as error:
                if not self.skip:
                    raise UserError(f"{source}:{line}: {error}; {self.advice}") from None
                yield f"{source}:{line}: {error}"
            else:
                yield Document(docid, text, source, line)

    def survey(self) -> Survey:
        """Read everything once: count the documents, report what is skipped, refuse docids that occur twice.

        Memory: 8 bytes a document.

        Raises:
            UserError: a bad document (unless skipped), a duplicate docid, or no document at all.
        """
        hashes, skipped = array("Q"), 0
        with Progress("checking", None, "documents") as progress:
            for item in self._parsed():
                progress.update()
                if isinstance(item, Document):
                    hashes.append(hash64(item.docid))
                    continue
                skipped += 1
                if skipped <= SHOWN_ERRORS:
                    logger.info("skipped %s", item)
        if skipped:
            logger.info("%d document(s) skipped", skipped)
        if not hashes:
            raise UserError("the corpus has no documents; check --corpus and --fields")
        self._refuse_duplicates(np.frombuffer(hashes, np.uint64))
        return Survey(len(hashes), skipped)

    def _refuse_duplicates(self, hashes: np.ndarray) -> None:
        """``hashes`` (n,) uint64 is sorted in place. Docids of equal hash are read again: are they equal, and where?"""
        hashes.sort()
        suspects = set(hashes[1:][hashes[1:] == hashes[:-1]].tolist())
        if not suspects:
            return
        first: dict[str, str] = {}
        for document in self:
            if hash64(document.docid) not in suspects:
                continue
            if document.docid in first:
                raise UserError(
                    f"the docid {document.docid!r} occurs twice, at {first[document.docid]} and at {document.place}; "
                    "give each document its own"
                )
            first[document.docid] = document.place


def shard_range(documents: int, shard_id: int, shard_num: int, of: str = "document(s)") -> range:
    """Which documents, or what ``of`` calls them, shard ``shard_id`` of ``shard_num`` takes.

    They are cut as Pyserini does: the last shard takes the remainder.

    >>> [shard_range(10, i, 3) for i in range(3)]
    [range(0, 3), range(3, 6), range(6, 10)]
    """
    if not 0 <= shard_id < shard_num:
        raise UserError(f"--shard-id is {shard_id}, but with --shard-num {shard_num} it is one of 0 to {shard_num - 1}")
    if documents < shard_num:
        raise UserError(f"--shard-num is {shard_num}, but there are {documents} {of}; cut fewer shards")
    size = documents // shard_num
    start = shard_id * size
    return range(start, documents if shard_id == shard_num - 1 else start + size)


def hash64(text: str) -> int:
    """A hash of 8 bytes that is the same in every process."""
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little")
