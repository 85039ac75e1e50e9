"""What d', k, the bits of a weight and the terms of a query cost and bring, measured from one encoding."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from pyserini_dupmae.data.corpus import Corpus
from pyserini_dupmae.data.qrels import Qrels, read_qrels
from pyserini_dupmae.data.query_records import write_queries
from pyserini_dupmae.data.readers import FieldParser, FileRecords
from pyserini_dupmae.data.runs import Run
from pyserini_dupmae.data.topics import Topic, read_topics
from pyserini_dupmae.evaluation.collection import measure_search, search_with
from pyserini_dupmae.evaluation.measures import DEFAULT_METRICS, coverage, parse_metric
from pyserini_dupmae.evaluation.results import (
    QUERIES_SUFFIX,
    SUFFIX,
    ConditionResult,
    IndexStatistics,
    Latency,
    read_result,
)
from pyserini_dupmae.evaluation.tables import markdown_table, text_table
from pyserini_dupmae.experiments.baselines import measure_baselines
from pyserini_dupmae.experiments.provenance import provenance, training_log
from pyserini_dupmae.experiments.sweep_indexes import SweepIndexes
from pyserini_dupmae.experiments.sweep_settings import FACTORS, Setting, default_values, grid, require_possible
from pyserini_dupmae.modeling.query_encoder import EncodedQuery, QueryModel
from pyserini_dupmae.search.engines import require_engine
from pyserini_dupmae.store import ForwardStore
from pyserini_dupmae.util.digests import combined, digest, of_value
from pyserini_dupmae.util.errors import UserError
from pyserini_dupmae.util.lock import LOCK, locks_output
from pyserini_dupmae.util.log import logger
from pyserini_dupmae.util.machine import cores
from pyserini_dupmae.util.resume import begin, begun_with

WARM_UP = 32
"""Queries that are searched before times are taken: Java compiles what it runs often, and the first ones read pages
from disk."""

INPUTS = "sweep.json"


@dataclass(frozen=True)
class SweepResult:
    """What `sweep` measured: a setting and its record each, in order; the records lie in ``output`` too."""

    output: Path
    settings: tuple[Setting, ...]
    results: tuple[ConditionResult, ...]

    def __str__(self) -> str:
        return self.text()

    def text(self) -> str:
        """A table with a row for each setting, as aligned columns."""
        return text_table(*self._table())

    def markdown(self) -> str:
        """The same as Markdown."""
        return markdown_table(*self._table())

    def json(self) -> str:
        """The records as JSON, without the values by query."""
        rows = [{name: value for name, value in asdict(r).items() if name != "per_query"} for r in self.results]
        return json.dumps(rows, indent=1, ensure_ascii=False)

    def _table(self) -> tuple[list[str], list[list[str]]]:
        """Header and rows; a dash where a mode does not have a factor."""
        header = ["mode", "d'", "k", "bits", "terms", *self.results[0].metrics, "MB", "ms (median)", "ms (95%)"]
        rows = []
        for setting, result in zip(self.settings, self.results, strict=True):
            factors = [_cell(setting.cls_dim), _cell(setting.top_k)]
            factors += [_cell(setting.bits, "exact"), _cell(setting.query_terms, "all")]
            scores = [f"{value:.4f}" for value in result.metrics.values()]
            size, latency = result.index, result.latency
            costs = [f"{size.bytes / 1e6:.2f}"] if size else [""]
            costs += [_milliseconds(latency.median_ms), _milliseconds(latency.p95_ms)] if latency else ["", ""]
            rows.append([setting.mode, *factors, *scores, *costs])
        return header, rows


@locks_output
def sweep(
    index: str | PathLike[str] | Sequence[str | PathLike[str]],
    *,
    topics: str | PathLike[str],
    qrels: str | PathLike[str],
    output: str | PathLike[str],
    encoder: str | PathLike[str] | None = None,
    modes: Sequence[str] = tuple(FACTORS),
    cls_dim: Sequence[int] | None = None,
    top_k: Sequence[int] | None = None,
    bits: Sequence[int] | None = None,
    query_terms: Sequence[int] | None = None,
    full_grid: bool = False,
    metrics: Sequence[str] = DEFAULT_METRICS,
    hits: int = 1000,
    collection: str | None = None,
    corpus: str | PathLike[str] | None = None,
    device: str | None = None,
    engine: str = "auto",
    threads: int | None = None,
) -> SweepResult:
    """Measure what d', k, the bits of a weight and the terms of a query cost and bring, from one encoding.

    For example::

        import pyserini_dupmae.api as dupmae

        found = dupmae.sweep("OUT", topics="topics.tsv", qrels="qrels.txt", output="DIR", top_k=[384, 128])
        print(found.markdown())

    No document passes through the model again. The first value of each factor is the base, which one factor at a time
    leaves. Rankings are exact for what a setting scores with. A setting that has a record is not measured again.

    Args:
        index: the folder, or folders in order, that `encode` wrote.
        topics: as in `search`; only those that are judged are searched.
        qrels: as in `evaluate`.
        output: where records (``SETTING.result.json``, which `report` takes) and indexes go.
        encoder: the model that encoded the collection (default: the one that it records).
        modes: of ``"hybrid"``, ``"dense"`` and ``"sparse"``.
        cls_dim: d', [CLS] on its first principal axes; default: the model's, half and a quarter of it.
        top_k: k, the first weights of each document; default: the store's, half and a quarter of it.
        bits: of the quantised weights of documents, 0 for the exact ones; default: 8 and 4.
        query_terms: the largest entries of mu_q, 0 for all; default: 0, 64 and 16.
        full_grid: measure all combinations.
        metrics: as in `evaluate`.
        hits: documents a query.
        collection: what reports call it; default: the name of the first folder.
        corpus: the texts that were encoded, a file or folder: BM25 is measured on them as well, and all-MiniLM-L6-v2
            if it is installed; their records lie beside the others.
        device: where the queries are encoded (default: a GPU if there is one).
        engine: how documents are found, as in `search`. With ``"scan"`` postings are built, which takes neither FAISS
            nor Java.
        threads: threads that search (default: one for each core that the process may use).

    Returns:
        For each setting metrics, bytes of its indexes and milliseconds a query, which is searched alone, without
        encoding it.

    Raises:
        UserError: a value that cannot be had from the encoding, an unknown metric, a model that did not encode the
            collection, or an ``output`` that holds a sweep of something else.
    """
    folders = [Path(one) for one in ([index] if isinstance(index, str | PathLike) else index)]
    output = Path(output)
    _require_metrics(metrics, hits)
    store = ForwardStore(*(folder / "store" for folder in folders))
    given = {"cls_dim": cls_dim, "top_k": top_k, "bits": bits, "query_terms": query_terms}
    values = {name: given[name] or default for name, default in default_values(store).items()}
    require_possible(values, store)
    judgements = read_qrels(qrels)
    judged = _judged_topics(topics, judgements)
    name = str(encoder or store.model.name)
    model = QueryModel.that_encoded(
        str(folders[0]), store.model, str(encoder) if encoder else None, device, store.dtype
    )
    called = collection or folders[0].resolve().name
    inputs: dict[str, Any] = {
        "store": [combined(digest(folder)) for folder in store.folders],
        "topics": of_value([list(topic) for topic in judged]),
        "qrels": of_value(judgements),
        "metrics": list(metrics),
        "hits": hits,
        "collection": called,
        "engine": require_engine(engine),
        "threads": threads or cores(),
    }
    _begin(output, inputs)
    task = _Task(
        texts=dict(judged),
        queries=[(qid, query) for (qid, _), query in zip(judged, model.encode([t for _, t in judged]), strict=True)],
        qrels=judgements,
        metrics=metrics,
        hits=hits,
        collection=called,
        topics=Path(topics).stem if Path(topics).exists() else str(topics),
        model=Path(name).name,
        model_hash=model.identity.fingerprint,
        training_log=training_log(name, output),
        threads=inputs["threads"],
    )
    if corpus is not None:
        documents = {one.docid: one.text for one in Corpus(FileRecords(Path(corpus)), FieldParser())}
        named: dict[str, Any] = {"collection": called, "topic_set": task.topics}
        measure_baselines(documents, task.texts, judgements, output, metrics=metrics, hits=hits, **named)
    indexes = SweepIndexes(store, output / "indexes", engine)
    settings = grid(modes, values, full_grid)
    return SweepResult(output, tuple(settings), tuple(_finished(one, indexes, task, output) for one in settings))


@dataclass(frozen=True)
class _Task:
    """What every setting is measured on: queries by id, encoded too, judgements, metrics, hits, names, threads."""

    texts: Mapping[str, str]
    queries: Sequence[tuple[str, EncodedQuery]]
    qrels: Qrels
    metrics: Sequence[str]
    hits: int
    collection: str
    topics: str
    model: str
    model_hash: str
    training_log: str | None
    threads: int


def _finished(setting: Setting, indexes: SweepIndexes, task: _Task, output: Path) -> ConditionResult:
    """The record of a setting: the one that is there, or a new one."""
    path = output / (setting.name + SUFFIX)
    if path.exists():
        logger.info("%s: done before", setting.name)
        return read_result(path)
    result = _measure(setting, indexes, task, output)
    result.write(path)
    logger.info("%s: %s", setting.name, ", ".join(f"{name} {value:.4f}" for name, value in result.metrics.items()))
    return result


def _measure(setting: Setting, indexes: SweepIndexes, task: _Task, output: Path) -> ConditionResult:
    """Search every query on its own, with every hit proved, and write what was found; the record of it."""
    queries = [(qid, indexes.query(query, setting)) for qid, query in task.queries]
    with indexes.open(setting) as searchable:
        found = measure_search(
            search_with(searchable.engines, setting.mode, task.threads),
            queries,
            task.qrels,
            metrics=task.metrics,
            hits=task.hits,
            batch_size=1,
            warm_up=WARM_UP,
            name=setting.name,
        )
    write_queries(output / (setting.name + QUERIES_SUFFIX), found.queries(task.texts))
    return ConditionResult(
        condition=f"{task.collection}.{setting.name}",
        collection=task.collection,
        topics=task.topics,
        model=task.model,
        mode=setting.mode,
        metrics=found.means,
        per_query=found.values,
        cls_dim=setting.cls_dim,
        top_k=setting.top_k,
        bits=setting.bits or None,
        query_terms=setting.query_terms or None,
        index=IndexStatistics(len(indexes.store), searchable.bytes),
        latency=Latency.of(found.seconds),
        provenance=provenance(task.model_hash),
        training_log=task.training_log,
        queries=setting.name + QUERIES_SUFFIX,
    )


def _begin(output: Path, inputs: Mapping[str, Any]) -> None:
    """Begin or continue a sweep in ``output``; `UserError` when what it holds is none, or one of other inputs."""
    mend = f"delete {output} or give another --output"
    present = [path for path in output.iterdir() if path.name != LOCK]
    if present and begun_with(output / INPUTS, mend) is None:
        raise UserError(f"--output {output} exists and is no sweep; give another")
    begin(output / INPUTS, inputs, work=f"the sweep in {output}", mend=mend)


def _require_metrics(metrics: Sequence[str], hits: int) -> None:
    """Raise `UserError` for a metric that does not exist, or that looks at more documents than are searched for."""
    for metric in metrics:
        if parse_metric(metric).params.get("cutoff", 0) > hits:
            raise UserError(f"metric {metric} looks at more documents than --hits {hits}; raise --hits")


def _judged_topics(source: str | PathLike[str], qrels: Qrels) -> list[Topic]:
    """The topics of ``source`` that are judged. Raises `UserError` when none is."""
    topics = read_topics(source)
    found = coverage(Run({qid: {} for qid, _ in topics}, name=f"--topics {source}"), qrels)
    if found.missing:
        logger.info("%d of %d judged queries are not in the topics, counted as 0", len(found.missing), found.judged)
    if found.unjudged:
        logger.info("%d topics are not judged, left out", len(found.unjudged))
    return [(qid, text) for qid, text in topics if qid in qrels]


def _cell(value: int | None, zero: str = "") -> str:
    return "-" if value is None else str(value or zero)


def _milliseconds(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"
