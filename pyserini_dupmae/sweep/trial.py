"""One setting, searched and measured."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pyserini_dupmae.data.qrels import Qrels
from pyserini_dupmae.data.runs import Run
from pyserini_dupmae.evaluation.measures import mean, measure
from pyserini_dupmae.evaluation.results import ConditionResult, IndexStatistics, Latency
from pyserini_dupmae.modeling.query_encoder import EncodedQuery
from pyserini_dupmae.search.fusion import Fusion, Ranking
from pyserini_dupmae.sweep.indexes import Indexes
from pyserini_dupmae.sweep.settings import Setting

# Java compiles what it runs often, and the first queries read pages from disk.
WARM_UP = 32


@dataclass(frozen=True)
class Task:
    """What every setting is measured on: encoded queries by id, judgements, metrics, hits, and the names of all."""

    queries: Mapping[str, EncodedQuery]
    qrels: Qrels
    metrics: Sequence[str]
    hits: int
    collection: str
    topics: str
    model: str


def measure_setting(setting: Setting, indexes: Indexes, task: Task) -> ConditionResult:
    """Search every query on its own, by one thread, with every hit proved; returns the record of it.

    The latency is that of such a search, without encoding the query. Raises `UserError` from building the indexes.
    """
    queries = {qid: indexes.query(query, setting) for qid, query in task.queries.items()}
    with indexes.open(setting) as searchable:
        for query in list(queries.values())[:WARM_UP]:
            searchable.fusion.search([query], task.hits)
        rankings, seconds = _timed(searchable.fusion, queries, task.hits)
        run = _run(rankings, searchable.fusion.exact.docids, setting.name)
    values = measure(run, task.qrels, task.metrics)
    median, slow = (1000 * float(value) for value in np.percentile(seconds, (50, 95)))
    return ConditionResult(
        condition=f"{task.collection}.{setting.name}",
        collection=task.collection,
        topics=task.topics,
        model=task.model,
        mode=setting.mode,
        metrics={metric: mean(of_metric) for metric, of_metric in values.items()},
        per_query=values,
        cls_dim=setting.cls_dim,
        top_k=setting.top_k,
        bits=setting.bits or None,
        query_terms=setting.query_terms or None,
        index=IndexStatistics(len(indexes.store), searchable.bytes),
        latency=Latency(1000 * float(np.mean(seconds)), slow, 1 / float(np.mean(seconds)), median),
    )


def _timed(fusion: Fusion, queries: Mapping[str, EncodedQuery], hits: int) -> tuple[dict[str, Ranking], list[float]]:
    rankings, seconds = {}, []
    for qid, query in queries.items():
        before = time.perf_counter()
        (rankings[qid],) = fusion.search([query], hits)
        seconds.append(time.perf_counter() - before)
    return rankings, seconds


def _run(rankings: Mapping[str, Ranking], docids: Sequence[str], name: str) -> Run:
    """The rankings as a run file would state them; a query without hits is in none."""
    scores = {
        qid: dict(zip((docids[row] for row in ranking.rows), ranking.scores.tolist(), strict=True))
        for qid, ranking in rankings.items()
        if len(ranking.rows)
    }
    return Run(scores, {qid: list(range(1, len(found) + 1)) for qid, found in scores.items()}, name)
