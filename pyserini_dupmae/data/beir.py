"""BEIR's layout: ``corpus.jsonl``, ``queries.jsonl`` and ``qrels/SPLIT.tsv``, whose first line is `QRELS_HEADER`."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from pyserini_dupmae.data.layout import Layout

LAYOUT = Layout("corpus.jsonl", "queries.jsonl", "qrels/{split}.tsv")
QRELS_HEADER = ("query-id", "corpus-id", "score")


@dataclass
class BeirWriter:
    """Writes the records of a collection in the order in which they are given; `write_beir` opens it."""

    _corpus: IO[str]
    _queries: IO[str]
    _qrels: dict[str, IO[str]]
    _escape: bool

    def document(self, docid: str, text: str) -> None:
        """Write a document."""
        self._corpus.write(self._line(docid, text))

    def query(self, qid: str, text: str) -> None:
        """Write a query."""
        self._queries.write(self._line(qid, text))

    def judgement(self, split: str, qid: str, docid: str, relevance: int = 1) -> None:
        """Write a judgement of one of the splits."""
        self._qrels[split].write(f"{qid}\t{docid}\t{relevance}\n")

    def _line(self, name: str, text: str) -> str:
        return json.dumps({"_id": name, "text": text}, ensure_ascii=self._escape) + "\n"


@contextmanager
def write_beir(folder: str | os.PathLike, splits: Sequence[str], *, escape: bool = False) -> Iterator[BeirWriter]:
    """Open the files of a collection for writing.

    Args:
        folder: where to; made when it is not there.
        splits: the splits of the queries; each gets a file, also when it stays empty.
        escape: write what is not ASCII as ``\\u....``.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     with write_beir(folder, ["test"]) as collection:
    ...         collection.document("d1", "why tides rise")
    ...         collection.query("q1", "tides")
    ...         collection.judgement("test", "q1", "d1")
    ...     print(Path(folder, "corpus.jsonl").read_text(), end="")
    {"_id": "d1", "text": "why tides rise"}
    """
    folder = Path(folder)
    (folder / LAYOUT.qrels).parent.mkdir(parents=True, exist_ok=True)
    names = [LAYOUT.corpus, LAYOUT.topics, *(LAYOUT.qrels.format(split=split) for split in splits)]
    with ExitStack() as stack:
        streams = [stack.enter_context(open(folder / name, "w", encoding="utf-8")) for name in names]
        for stream in streams[2:]:
            stream.write("\t".join(QRELS_HEADER) + "\n")
        yield BeirWriter(streams[0], streams[1], dict(zip(splits, streams[2:], strict=True)), escape)
