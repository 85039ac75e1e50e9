"""The pairs that a cross-encoder is trained on, and the queries that are held out to see how it ranks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from datasets import Dataset

from pyserini_dupmae.errors import UserError
from pyserini_dupmae.training.data import TrainingSet

HELD_OUT_NEGATIVES = 20
"""What a held-out query's positives are ranked among: its hardest negatives."""

Query = tuple[int, int]
"""Number of a training set, and of a query in it."""


def split(sets: Sequence[TrainingSet], held_out: int, seed: int) -> tuple[list[Query], list[Query]]:
    """Queries to train on and to evaluate on, of those that have negatives: ``held_out`` random ones, at most a tenth.

    Raises:
        UserError: no query has negatives.
    """
    queries = [(i, query) for i, data in enumerate(sets) for query, rows in enumerate(data.negatives) if len(rows)]
    if not queries:
        names = ", ".join(data.name for data in sets)
        raise UserError(
            f"no query of {names} has negatives; mine them with pyserini_dupmae.training.mine and give --negatives"
        )
    chosen = np.random.default_rng(seed).permutation(len(queries))[: min(held_out, len(queries) // 10)]
    is_held = np.zeros(len(queries), bool)
    is_held[chosen] = True
    return (
        [query for query, held in zip(queries, is_held, strict=True) if not held],
        [query for query, held in zip(queries, is_held, strict=True) if held],
    )


def training_pairs(
    sets: Sequence[TrainingSet], queries: Sequence[Query], negatives_per_positive: int, depth: int, seed: int
) -> Dataset:
    """Columns ``query`` and ``document`` (texts, looked up when they are used) and ``label`` (1.0 or 0.0).

    Each positive, and for each positive so many negatives, drawn once and without repetition among the query's
    ``depth`` hardest. (A run has few epochs; more negatives serve it better than other ones in each epoch.)
    """
    generator = np.random.default_rng(seed)
    numbers, rows, labels = [], [], []
    for i, query in queries:
        positives, negatives = sets[i].positives[query], sets[i].negatives[query][:depth]
        size = min(negatives_per_positive * len(positives), len(negatives))
        drawn = generator.choice(negatives, size, replace=False)
        numbers.append(np.full((len(positives) + size, 2), (i, query)))
        rows += [positives, drawn]
        labels += [np.ones(len(positives), np.float32), np.zeros(size, np.float32)]
    columns = np.concatenate(numbers)  # (pairs, 2)
    pairs = {"set": columns[:, 0], "query": columns[:, 1], "document": np.concatenate(rows)}
    dataset = Dataset.from_dict({**pairs, "label": np.concatenate(labels)})
    return dataset.with_transform(_Texts(sets))


def held_out_samples(sets: Sequence[TrainingSet], queries: Sequence[Query]) -> list[dict[str, Any]]:
    """What `CrossEncoderRerankingEvaluator` takes: the text of each query, its positives and its hardest negatives."""
    return [
        {
            "query": sets[i].queries[query],
            "positive": sets[i].documents.texts(sets[i].positives[query]),
            "negative": sets[i].documents.texts(sets[i].negatives[query][:HELD_OUT_NEGATIVES]),
        }
        for i, query in queries
    ]


class _Texts:
    """Turns a batch of numbers into texts."""

    def __init__(self, sets: Sequence[TrainingSet]):
        self.sets = sets

    def __call__(self, batch: dict[str, list]) -> dict[str, list]:
        keys = list(zip(batch["set"], batch["query"], batch["document"], strict=True))
        return {
            "query": [self.sets[i].queries[query] for i, query, _ in keys],
            "document": [self.sets[i].documents.texts([row])[0] for i, _, row in keys],
            "label": batch["label"],
        }
