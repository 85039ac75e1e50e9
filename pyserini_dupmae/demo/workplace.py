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
from pyserini_dupmae.errors import UserError
from pyserini_dupmae.files import atomic_open, atomic_path, user_cache, write_json
from pyserini_dupmae.index.info import INFO_JSON
from pyserini_dupmae.log import logger

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
            command = ["pyserini_dupmae.encode", "input", "--corpus", str(self.corpus)]
            command += ["output", "--embeddings", str(self.index), "--store-contents", "--resume"]
            _run([*command, "encoder", "--encoder", self.encoder])
        if not self.bm25.exists():
            with atomic_path(self.bm25) as temporary:
                command = ["pyserini.index.lucene", "--collection", "JsonCollection", "--threads", "1"]
                command += ["--input", str(self.corpus.parent), "--index", str(temporary)]
                _run([*command, "--generator", "DefaultLuceneDocumentGenerator"], quiet=True)

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


def _run(module: list[str], quiet: bool = False) -> None:
    """Run ``python -m`` with these words, showing the command; ``quiet`` shows what it prints only if it fails."""
    print(f"$ python -m {' '.join(module)}", flush=True)
    output = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True} if quiet else {}
    finished = subprocess.run([sys.executable, "-m", *module], check=False, **output)
    if finished.returncode:
        reason = f":\n{finished.stdout[-2000:]}" if quiet else "; see what it printed above"
        raise UserError(f"python -m {module[0]} failed{reason}")
