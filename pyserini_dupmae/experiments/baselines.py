"""Records of BM25 and all-MiniLM-L6-v2 on a collection, to stand beside those of DupMAE."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pyserini_dupmae.data.qrels import Qrels
from pyserini_dupmae.data.query_records import write_queries
from pyserini_dupmae.evaluation.baselines import MINILM, has_minilm, index_bm25, measure_bm25, measure_minilm
from pyserini_dupmae.evaluation.results import (
    QUERIES_SUFFIX,
    SUFFIX,
    ConditionResult,
    IndexStatistics,
    Latency,
    read_result,
)
from pyserini_dupmae.experiments.provenance import provenance
from pyserini_dupmae.util.digests import of_value
from pyserini_dupmae.util.files import remove
from pyserini_dupmae.util.resume import begin

BM25 = "bm25"
SYSTEMS = {BM25: "bm25", MINILM: "other"}
"""What a baseline is called in names of files -> its mode in the records."""


def installed_systems() -> list[str]:
    """The names of the `SYSTEMS` that can be measured here; a message says how to install what is missing."""
    return [BM25, *([MINILM] if has_minilm() else [])]


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
    remove_query: bool = False,
    device: str | None = None,
    systems: Sequence[str] | None = None,
) -> list[ConditionResult]:
    """Measure BM25, and all-MiniLM-L6-v2 if it is installed; what has a record in ``output`` is not measured again.

    Args:
        documents: docid -> text.
        topics: query id -> text; those that are judged.
        qrels: query id -> docid -> relevance.
        output: gets ``COLLECTION.SYSTEM.result.json`` and what was found; while BM25 is measured, Lucene's index too.
        collection, topic_set: what the records call them.
        metrics: as in `evaluate`.
        hits: documents a query.
        remove_query: leave out the document that has the query's own id.
        device: where all-MiniLM-L6-v2 runs (default: a GPU if there is one).
        systems: of `SYSTEMS` (default: those that are installed).

    Raises:
        UserError: Pyserini or Java is missing, or the records in ``output`` are of other texts, topics or settings.
    """
    settings = {
        "the texts": of_value(list(documents.items())),
        "the topics": of_value(sorted(topics.items())),
        "the judgements": of_value(qrels),
        "metrics": list(metrics),
        "hits": hits,
        "remove_query": remove_query,
    }
    output.mkdir(parents=True, exist_ok=True)
    records = {system: output / f"{collection}.{system}{SUFFIX}" for system in SYSTEMS}
    inputs = output / f"{collection}.baselines.json"
    mend = f"delete {', '.join(str(path) for path in (inputs, *records.values()))}"
    begin(inputs, settings, work=f"{' and '.join(SYSTEMS)} in {output}", mend=mend)
    results = []
    for system in installed_systems() if systems is None else systems:
        if records[system].exists():
            results.append(read_result(records[system]))
            continue
        options: dict[str, Any] = {"metrics": metrics, "hits": hits, "remove_query": remove_query}
        latency = None
        if system == BM25:
            index = index_bm25(documents, output / "bm25" / collection)
            found = measure_bm25(index, topics, qrels, **options)
            size = sum(file.stat().st_size for file in index.iterdir())
            latency = Latency.of(found.seconds)
            remove(index.parent)
        else:
            found = measure_minilm(documents, topics, qrels, device=device, **options)
            size = 4 * 384 * len(documents)  # its vectors
        queries = f"{collection}.{system}{QUERIES_SUFFIX}"
        write_queries(output / queries, found.queries(topics))
        result = ConditionResult(
            condition=f"{collection}.{system}",
            collection=collection,
            topics=topic_set,
            mode=SYSTEMS[system],
            model="" if system == BM25 else system,
            metrics=found.means,
            per_query=found.values,
            index=IndexStatistics(len(documents), size),
            latency=latency,
            provenance=provenance(),
            queries=queries,
        )
        result.write(records[system])
        results.append(result)
    return results
