"""Measure what d', k, the bits of a weight and the terms of a query cost and bring, from one encoding.

    python -m pyserini_dupmae.sweep --embeddings OUT --encoder MODEL --topics TOPICS --qrels QRELS --output DIR

No document passes through the model again: all that is varied is made from the forward store.

    --top-k             k: the first k weights of each document.
    --cls-dim           d': [CLS] of documents and queries on the first d' principal axes of the documents' [CLS]. This
                        is what can be cut after encoding; a model trained at that d' (Eq. 10) may well do better.
    --quantization-bits what the quantised weights of the impact index alone would score, as in Pyserini's sparse
                        search, and not the exact weights of the store; 0: these. The query's weights stay floats.
    --query-terms       the largest entries of mu_q alone; 0: all positive ones.

The first value of each option is the base, which one option at a time leaves; --full-grid takes all combinations.
Rankings are exact for what a setting scores with. Each row of the table has the metrics, the megabytes (10^6 bytes) of
the FAISS index and the Lucene index that this setting was searched with (not of the store; with the documents' text if
they were encoded with it), and the time of a query, median and 95th percentile: encoded before, searched alone by one
thread on this machine, all hits proved. The search is the one of pyserini_dupmae.search, which scans the store where
that is faster than its indexes, as it is in a small collection.

DIR gets a record ``SETTING.result.json`` each, which ``python -m pyserini_dupmae.report`` draws from; a setting that
has one is not measured again. DIR/indexes may be deleted afterwards.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pyserini_dupmae.data.qrels import Qrels, read_qrels
from pyserini_dupmae.data.runs import Run
from pyserini_dupmae.data.topics import Topic, read_topics
from pyserini_dupmae.evaluation.measures import DEFAULT_METRICS, coverage, parse_metric
from pyserini_dupmae.evaluation.results import SUFFIX, ConditionResult, read_result
from pyserini_dupmae.evaluation.tables import markdown_table, text_table
from pyserini_dupmae.modeling.query_encoder import QueryModel
from pyserini_dupmae.store import ForwardStore
from pyserini_dupmae.sweep.indexes import Indexes
from pyserini_dupmae.sweep.inputs import admit, inputs_of
from pyserini_dupmae.sweep.settings import FACTORS, Setting, default_values, grid, require_possible
from pyserini_dupmae.sweep.trial import Task, measure_setting
from pyserini_dupmae.util import log
from pyserini_dupmae.util.command import positive_int, run_command
from pyserini_dupmae.util.errors import UserError
from pyserini_dupmae.util.log import logger


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    result = argparse.ArgumentParser(
        prog="python -m pyserini_dupmae.sweep",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = result.add_argument
    add("--embeddings", nargs="+", type=Path, required=True, metavar="OUT", help="folders that hold a store, in order")
    add("--encoder", required=True, metavar="MODEL", help="the model that encoded the collection")
    add("--topics", required=True, help="as of pyserini_dupmae.search; only those that are judged are searched")
    add("--qrels", required=True, help="as of pyserini_dupmae.evaluate")
    add("--output", type=Path, required=True, metavar="DIR", help="where records and indexes go")
    add("--modes", nargs="+", choices=list(FACTORS), default=list(FACTORS), help="default: " + " ".join(FACTORS))
    numbers: dict[str, Any] = {"nargs": "+", "metavar": "N"}
    add("--cls-dim", type=positive_int, **numbers, help="default: the model's, half and a quarter of it")
    add("--top-k", type=positive_int, **numbers, help="default: the store's, half and a quarter of it")
    add("--quantization-bits", type=_natural, dest="bits", **numbers, help="0 to 16; default: 8 4")
    add("--query-terms", type=_natural, **numbers, help="default: 0 64 16")
    add("--full-grid", action="store_true", help="all combinations of the values")
    add("--metrics", nargs="+", default=DEFAULT_METRICS, metavar="METRIC", help="default: " + " ".join(DEFAULT_METRICS))
    add("--hits", type=positive_int, default=1000, metavar="N", help="documents a query; default: 1000")
    add("--collection", metavar="NAME", help="what reports call it; default: the name of OUT")
    add("--device", default="cpu", help="where the queries are encoded; default: cpu")
    add("--output-format", choices=("text", "markdown", "json"), default="text", help="of the table")
    return result


def _natural(text: str) -> int:
    """An argparse type: a whole number of at least 0."""
    return 0 if text == "0" else positive_int(text)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command; raises `UserError`."""
    options = parser().parse_args(argv)
    log.show()
    require_metrics(options.metrics, options.hits)
    store = ForwardStore(*(folder / "store" for folder in options.embeddings))
    values = default_values(store)
    values.update({name: given for name in values if (given := getattr(options, name))})
    require_possible(values, store)
    qrels = read_qrels(options.qrels)
    topics = judged_topics(options.topics, qrels)
    model = QueryModel.load(options.encoder, options.device)
    model.identity.require(store.model, str(options.embeddings[0]))
    collection = options.collection or options.embeddings[0].resolve().name
    admit(options.output, inputs_of(store, topics, qrels, options.metrics, options.hits, collection))
    queries = model.encode([text for _, text in topics])
    task = Task(
        queries={qid: query for (qid, _), query in zip(topics, queries, strict=True)},
        qrels=qrels,
        metrics=options.metrics,
        hits=options.hits,
        collection=collection,
        topics=Path(options.topics).stem if Path(options.topics).exists() else options.topics,
        model=Path(options.encoder).name,
    )
    indexes = Indexes(store, options.output / "indexes")
    settings = grid(options.modes, values, options.full_grid)
    results = [finished(setting, indexes, task, options.output) for setting in settings]
    if options.output_format == "json":
        rows = [{name: value for name, value in asdict(r).items() if name != "per_query"} for r in results]
        print(json.dumps(rows, indent=1, ensure_ascii=False))
        return
    table = markdown_table if options.output_format == "markdown" else text_table
    print(table(*table_of(settings, results)))


def require_metrics(metrics: Sequence[str], hits: int) -> None:
    """Raise `UserError` for a metric that does not exist, or that looks at more documents than are searched for."""
    for metric in metrics:
        if parse_metric(metric).params.get("cutoff", 0) > hits:
            raise UserError(f"metric {metric} looks at more documents than --hits {hits}; raise --hits")


def judged_topics(source: str, qrels: Qrels) -> list[Topic]:
    """The topics of ``source`` that are judged. Raises `UserError` when none is."""
    topics = read_topics(source)
    found = coverage(Run({qid: {} for qid, _ in topics}, name=f"--topics {source}"), qrels)
    if found.missing:
        logger.info("%d of %d judged queries are not in the topics, counted as 0", len(found.missing), found.judged)
    if found.unjudged:
        logger.info("%d topics are not judged, left out", len(found.unjudged))
    return [(qid, text) for qid, text in topics if qid in qrels]


def finished(setting: Setting, indexes: Indexes, task: Task, output: Path) -> ConditionResult:
    """The record of a setting: the one that is there, or a new one."""
    path = output / (setting.name + SUFFIX)
    if path.exists():
        logger.info("%s: done before", setting.name)
        return read_result(path)
    result = measure_setting(setting, indexes, task)
    result.write(path)
    logger.info("%s: %s", setting.name, ", ".join(f"{name} {value:.4f}" for name, value in result.metrics.items()))
    return result


def table_of(settings: Sequence[Setting], results: Sequence[ConditionResult]) -> tuple[list[str], list[list[str]]]:
    """Header and rows, a setting each; a dash where a mode does not have a factor."""
    header = ["mode", "d'", "k", "bits", "terms", *results[0].metrics, "MB", "ms (median)", "ms (95%)"]
    rows = []
    for setting, result in zip(settings, results, strict=True):
        factors = [_cell(setting.cls_dim), _cell(setting.top_k)]
        factors += [_cell(setting.bits, "exact"), _cell(setting.query_terms, "all")]
        scores = [f"{value:.4f}" for value in result.metrics.values()]
        costs = [f"{result.index.bytes / 1e6:.2f}", f"{result.latency.median_ms:.2f}", f"{result.latency.p95_ms:.2f}"]
        rows.append([setting.mode, *factors, *scores, *costs])
    return header, rows


def _cell(value: int | None, zero: str = "") -> str:
    return "-" if value is None else str(value or zero)


if __name__ == "__main__":
    run_command(main)
