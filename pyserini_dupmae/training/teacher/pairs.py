"""The pairs that a cross-encoder is trained on, and the queries that are held out to see how it ranks."""

from __future__ import annotations

from typing import Any

import numpy as np
from datasets import Dataset

from pyserini_dupmae.training.data import CombinedTrainingSet
from pyserini_dupmae.util.errors import UserError

HELD_OUT_NEGATIVES = 20
"""What a held-out query's positives are ranked among: its hardest negatives."""


def split(data: CombinedTrainingSet, held_out: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Queries to train on and to evaluate on, of those that have negatives: indexes, (n,) and (m,) int64, ascending.

    ``held_out`` random ones are evaluated on, at most a tenth.

    Raises:
        UserError: no query has negatives.
    """
    queries = np.array([query for query in range(len(data)) if len(data.negatives(query)[0])], np.int64)
    if not len(queries):
        raise UserError(
            "no query has negatives; mine them with pyserini_dupmae.training.mine and give the file with --negatives"
        )
    is_held = np.zeros(len(queries), bool)
    is_held[np.random.default_rng(seed).permutation(len(queries))[: min(held_out, len(queries) // 10)]] = True
    return queries[~is_held], queries[is_held]


def training_pairs(
    data: CombinedTrainingSet, queries: np.ndarray, negatives_per_positive: int, depth: int, seed: int
) -> Dataset:
    """Columns ``query`` and ``document`` (texts, looked up when they are used) and ``label`` (1.0 or 0.0).

    Each positive, and for each positive so many negatives, drawn once and without repetition among the query's
    ``depth`` hardest. (A run has few epochs; more negatives serve it better than other ones in each epoch.)
    """
    generator = np.random.default_rng(seed)
    numbers, rows, labels = [], [], []
    for query in queries.tolist():
        positives, negatives = data.positives(query)[0], data.negatives(query)[0][:depth]
        size = min(negatives_per_positive * len(positives), len(negatives))
        numbers.append(np.full(len(positives) + size, query))
        rows += [positives, generator.choice(negatives, size, replace=False)]
        labels += [np.ones(len(positives), np.float32), np.zeros(size, np.float32)]
    columns = {"query": numbers, "document": rows, "label": labels}
    dataset = Dataset.from_dict({name: np.concatenate(column) for name, column in columns.items()})
    return dataset.with_transform(_Texts(data))


def held_out_samples(data: CombinedTrainingSet, queries: np.ndarray) -> list[dict[str, Any]]:
    """What `CrossEncoderRerankingEvaluator` takes: the text of each query, its positives and its hardest negatives."""
    return [
        {
            "query": data.query(query),
            "positive": data.texts(data.positives(query)[0]),
            "negative": data.texts(data.negatives(query)[0][:HELD_OUT_NEGATIVES]),
        }
        for query in queries.tolist()
    ]


class _Texts:
    """Turns a batch of indexes and rows into texts."""

    def __init__(self, data: CombinedTrainingSet):
        self.data = data

    def __call__(self, batch: dict[str, list]) -> dict[str, list]:
        texts = {"query": [self.data.query(query) for query in batch["query"]]}
        return {**texts, "document": self.data.texts(batch["document"]), "label": batch["label"]}
