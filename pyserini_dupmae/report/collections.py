"""Everything that was measured on each collection, setting by setting, beside the paper's and the peers' numbers."""

from __future__ import annotations

from collections.abc import Callable

from pyserini_dupmae.evaluation.results import ConditionResult
from pyserini_dupmae.report.blocks import Cell, Row, Section, Table, published_score, score
from pyserini_dupmae.report.published import published
from pyserini_dupmae.report.systems import Systems, metrics_of, settings


def scores(systems: Systems) -> Section:
    """A table a collection: conditions and published systems down, metrics across."""
    text = (
        "Every condition, with its settings. Below a value stand the paper's for that condition and the one expected "
        "from an earlier run, where there are any. Rows in italics are published numbers; the best of a column is bold."
    )
    return Section("Scores", text, [_scores(systems, where) for where in systems.places])


def costs(systems: Systems) -> Section | None:
    """A table a collection: index statistics and latency of the conditions that have them."""
    found = []
    for where in systems.places:
        results = [result for result in systems.at(where) if result.index or result.latency]
        if results:
            rows = [Row([_name(systems, result), *_costs(result)]) for result in results]
            header = ["system", "documents", "postings", "MB", "ms/query", "95 %", "queries/s"]
            found.append(Table(where, header, rows))
    return Section("Index and speed", "MB are 10^6 bytes on disk.", list(found)) if found else None


def _scores(systems: Systems, where: str) -> Table:
    results = systems.at(where)
    metrics = metrics_of(results)
    others = {
        system: values
        for system, values in published(results[0].collection, results[0].topics).items()
        if any(metric in values for metric in metrics)
    }
    every = [result.metrics for result in results] + list(others.values())
    best = {metric: max(values[metric] for values in every if metric in values) for metric in metrics}
    rows = []
    for result in results:
        cells = [_cell(score, result.metrics, metric, best, _beside(result, metric)) for metric in metrics]
        rows.append(Row([_name(systems, result), *cells]))
    for system, values in others.items():
        cells = [_cell(published_score, values, metric, best) for metric in metrics]
        rows.append(Row([Cell(system), *cells], published=True))
    return Table(where, ["system", *metrics], rows)


def _cell(
    write: Callable[[float], str], values: dict[str, float], metric: str, best: dict[str, float], note: str = ""
) -> Cell:
    if metric not in values:
        return Cell("–")
    return Cell(write(values[metric]), note, values[metric] == best[metric])


def _beside(result: ConditionResult, metric: str) -> str:
    given = [("paper", result.paper, published_score), ("expected", result.expected, score)]
    return ", ".join(f"{name} {write(values[metric])}" for name, values, write in given if metric in values)


def _name(systems: Systems, result: ConditionResult) -> Cell:
    return Cell(systems.label(result), ", ".join(filter(None, [result.condition, settings(result)])))


def _costs(result: ConditionResult) -> list[Cell]:
    index, latency = result.index, result.latency
    values = [
        f"{index.documents:,}" if index else "",
        f"{index.postings:,}" if index and index.postings is not None else "",
        f"{index.bytes / 1e6:,.1f}" if index else "",
        f"{latency.mean_ms:,.1f}" if latency else "",
        f"{latency.p95_ms:,.1f}" if latency and latency.p95_ms else "",
        f"{latency.queries_per_second:,.1f}" if latency and latency.queries_per_second else "",
    ]
    return [Cell(value or "–") for value in values]
