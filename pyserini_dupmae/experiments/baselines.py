"""Records of BM25 and all-MiniLM-L6-v2 on a collection, to stand beside those of DupMAE."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from pyserini_dupmae.data.qrels import Qrels
from pyserini_dupmae.data.query_records import write_queries
from pyserini_dupmae.evaluation.baselines import MINILM, has_minilm, index_bm25, measure_bm25, measure_minilm
from pyserini_dupmae.evaluation.collection import Measured
from pyserini_dupmae.evaluation.results import (
    QUERIES_SUFFIX,
    SUFFIX,
    ConditionResult,
    IndexStatistics,
    Latency,
    read_result,
)
from pyserini_dupmae.experiments.provenance import provenance


def measure_baselines(
    documents: Mapping[str, str],
    topics: Mapping[str, str],
    qrels: Qrels,
    output: Path,
    *,
    collection: str,
    metrics: Sequence[str],
    hits: int,
    topic_set: str = "",
) -> list[ConditionResult]:
    """Measure BM25, and all-MiniLM-L6-v2 if it is installed; what has a record in ``output`` is not measured again.

    Args:
        documents: docid -> text.
        topics: query id -> text; those that are judged.
        qrels: query id -> docid -> relevance.
        output: gets ``COLLECTION.NAME.result.json`` and what was found; Lucene's index goes to ``bm25`` there.
        collection, topic_set: what the records call them.
        metrics: as in `evaluate`.
        hits: documents a query.

    Raises:
        UserError: Pyserini or Java is missing.
    """
    results = []
    for mode, model in {"bm25": "", **({"other": MINILM} if has_minilm() else {})}.items():
        name = f"{collection}.{model or mode}"
        path = output / (name + SUFFIX)
        if path.exists():
            results.append(read_result(path))
            continue
        latency = None
        if mode == "bm25":
            index = index_bm25(documents, output / "bm25" / collection)
            found = measure_bm25(index, topics, qrels, metrics=metrics, hits=hits)
            size = sum(file.stat().st_size for file in index.iterdir())
            latency = _latency(found)
        else:
            found = measure_minilm(documents, topics, qrels, metrics=metrics, hits=hits)
            size = 4 * 384 * len(documents)  # its vectors
        write_queries(output / (name + QUERIES_SUFFIX), found.queries(topics))
        result = ConditionResult(
            condition=name,
            collection=collection,
            topics=topic_set,
            mode=mode,
            model=model,
            metrics=found.means,
            per_query=found.values,
            index=IndexStatistics(len(documents), size),
            latency=latency,
            provenance=provenance(),
            queries=name + QUERIES_SUFFIX,
        )
        result.write(path)
        results.append(result)
    return results


def _latency(found: Measured) -> Latency:
    median, slow = (1000 * float(value) for value in np.percentile(found.seconds, (50, 95)))
    seconds = float(np.mean(found.seconds))
    return Latency(1000 * seconds, slow, 1 / seconds, median)
