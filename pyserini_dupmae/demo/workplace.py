"""The demo's work folder: the collection, its indexes and the measured table, each complete or absent."""

from __future__ import annotations

import hashlib
import json
import platform
import subprocess
import sys
from functools import cached_property
from pathlib import Path

from pyserini_dupmae import __version__
from pyserini_dupmae.demo.docstrings import Collection, build
from pyserini_dupmae.encode.__main__ import main as encode
from pyserini_dupmae.index.info import INFO_JSON
from pyserini_dupmae.util.errors import UserError
from pyserini_dupmae.util.files import atomic_open, atomic_path, user_cache, write_json
from pyserini_dupmae.util.log import logger

QUERY_SHARE = 6
"""A collection of N documents gets at most N / 6 queries."""


class Workplace:
    """Makes what is missing, step by step; a second start finds it, and a step that was interrupted is done again.

    Args:
        encoder: the DupMAE model.
        documents: how many documents to take, None for all.
        folder: where to work (default: one of the user's cache for this Python, encoder and number of documents).
    """

    def __init__(self, encoder: str, documents: int | None = None, folder: Path | None = None):
        self.encoder, self.documents = encoder, documents
        self.folder = folder or user_cache() / "demo" / self._key()
        self.corpus = self.folder / "collection" / "corpus.jsonl"
        self.index = self.folder / "index"
        self.bm25 = self.folder / "bm25"
        self.table = self.folder / "table.json"

    def _key(self) -> str:
        facts = f"{__version__} {self.encoder} {self.documents}"
        return f"python-{platform.python_version()}-{hashlib.sha256(facts.encode()).hexdigest()[:8]}"

    @cached_property
    def collection(self) -> Collection:
        """Documents and queries, read from the sources of the standard library."""
        logger.info("reading the docstrings of the standard library of Python %s", platform.python_version())
        queries = {} if self.documents is None else {"queries": max(1, self.documents // QUERY_SHARE)}
        return build(documents=self.documents, **queries)

    def prepare(self) -> None:
        """Write the collection, encode and index it with DupMAE, and index it for BM25. Raises `UserError`."""
        self._write_corpus()
        if not all((self.index / kind / INFO_JSON).exists() for kind in ("faiss", "lucene")):
            words = ["input", "--corpus", str(self.corpus)]
            words += ["output", "--embeddings", str(self.index), "--store-contents", "--resume"]
            words += ["encoder", "--encoder", self.encoder]
            _show("pyserini_dupmae.encode", words)
            encode(words)
        if not self.bm25.exists():
            with atomic_path(self.bm25) as temporary:
                _index_bm25(self.corpus.parent, temporary)

    def _write_corpus(self) -> None:
        lines = [
            json.dumps({"id": docid, "contents": text}, ensure_ascii=False) + "\n"
            for docid, text in self.collection.documents.items()
        ]
        written = "".join(lines)
        if not self.corpus.exists():
            with atomic_open(self.corpus) as stream:
                stream.write(written)
        elif self.corpus.read_text(encoding="utf-8") != written:
            raise UserError(f"{self.folder} holds another collection; delete it, or give another --output")

    def measured(self) -> list[list[str]] | None:
        """The table that an earlier start measured."""
        return json.loads(self.table.read_text(encoding="utf-8")) if self.table.exists() else None

    def keep(self, rows: list[list[str]]) -> None:
        """Keep a measured table."""
        write_json(self.table, rows)


def _index_bm25(corpus: Path, index: Path) -> None:
    words = ["--collection", "JsonCollection", "--generator", "DefaultLuceneDocumentGenerator", "--threads", "1"]
    words += ["--input", str(corpus), "--index", str(index)]
    _show("pyserini.index.lucene", words)
    command = [sys.executable, "-m", "pyserini.index.lucene", *words]
    finished = subprocess.run(command, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if finished.returncode or not index.is_dir():
        raise UserError(f"pyserini.index.lucene failed: {finished.stdout[-2000:]}")


def _show(module: str, words: list[str]) -> None:
    print(f"$ python -m {module} {' '.join(words)}", flush=True)
