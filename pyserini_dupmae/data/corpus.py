"""A collection as a stream of documents, read once to check it and once to encode it."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from pyserini_dupmae.data.fields import FieldParser
from pyserini_dupmae.data.readers import BadDocumentError, Entry
from pyserini_dupmae.util.errors import UserError
from pyserini_dupmae.util.log import logger

SHOWN_ERRORS = 10


class Document(NamedTuple):
    """A document and the place it was read from."""

    docid: str
    text: str
    entry: Entry

    @property
    def place(self) -> str:
        return self.entry.place

    def text_hash(self) -> int:
        """What tells whether a text has changed since it was encoded."""
        return hash64(self.text)


@dataclass(frozen=True)
class Survey:
    """What the first reading of a corpus found: good documents, and bad ones that ``skip`` passes over."""

    documents: int
    skipped: int


class Corpus:
    """The documents of some entries, in order; can be iterated many times.

    Args:
        entries: the records, see `pyserini_dupmae.data.readers`.
        parser: how a record becomes a docid and a text.
        skip: pass over what is no document instead of raising.
    """

    def __init__(self, entries: Iterable[Entry], parser: FieldParser, skip: bool = False):
        self.entries, self.parser, self.skip = entries, parser, skip

    def __iter__(self) -> Iterator[Document]:
        """Each document; what is none is a `UserError` naming file and line, unless it is to be skipped."""
        for item in self._parsed():
            if isinstance(item, Document):
                yield item

    def _parsed(self) -> Iterator[Document | str]:
        """Each document, and for each one that is skipped a message."""
        for entry in self.entries:
            try:
                docid, text = self.parser.parse(entry.decode(entry.raw))
            except BadDocumentError as error:
                if not self.skip:
                    raise UserError(
                        f"{entry.place}: {error}; mend it, or pass over such documents with --on-error skip"
                    ) from None
                yield f"{entry.place}: {error}"
            else:
                yield Document(docid, text, entry)

    def survey(self) -> Survey:
        """Read everything once: count the documents, report what is skipped, refuse docids that occur twice.

        Memory: 8 bytes a document.

        Raises:
            UserError: a bad document (unless skipped), a duplicate docid, or no document at all.
        """
        hashes, skipped = array("Q"), 0
        for item in tqdm(self._parsed(), desc="checking", unit=" documents", mininterval=1, leave=False):
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


def shard_range(documents: int, shard_id: int, shard_num: int) -> range:
    """Which documents shard ``shard_id`` of ``shard_num`` takes, cut as Pyserini does: the last takes the remainder.

    >>> [shard_range(10, i, 3) for i in range(3)]
    [range(0, 3), range(3, 6), range(6, 10)]
    """
    if not 0 <= shard_id < shard_num:
        raise UserError(f"--shard-id is {shard_id}, but with --shard-num {shard_num} it is one of 0 to {shard_num - 1}")
    if documents < shard_num:
        raise UserError(f"--shard-num is {shard_num}, but the corpus has {documents} document(s); cut fewer shards")
    size = documents // shard_num
    start = shard_id * size
    return range(start, documents if shard_id == shard_num - 1 else start + size)


def hash64(text: str) -> int:
    """A hash of 8 bytes that is the same in every process."""
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little")
