"""The measured scores and costs: over all collections, and of each with everything that is known beside them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pyserini_dupmae.evaluation.results import ConditionResult
from pyserini_dupmae.report.blocks import Bar, Bars, Cell, Row, Section, Table, published_score, score
from pyserini_dupmae.report.labels import Systems, metrics_of, settings

if TYPE_CHECKING:
    from pyserini_dupmae.experiments.published import Scores


def overview(systems: Systems) -> Section | None:
    """Collections down, systems across, for every metric that two collections share."""
    found = [table for metric in metrics_of(systems.results) if (table := _across(systems, metric))]
    if not found:
        return None
    text = "Each system at its largest settings; the best of a row is bold. Columns in italics are published numbers."
    return Section("Overview", text, list(found))


def bars(systems: Systems) -> Section:
    """Bars for each collection, of its first metric; published numbers below the measured ones."""
    groups = []
    for where in systems.places:
        results = systems.full(where)
        metric = metrics_of(results)[0]
        here = [Bar(systems.label(r), r.metrics[metric], r.mode) for r in results if metric in r.metrics]
        others = {system: v[metric] for system, v in _published(systems, where).items() if metric in v}
        here += [Bar(s, others[s], "published") for s in sorted(others, key=others.__getitem__, reverse=True)]
        groups.append(Bars(f"{where}: {metric}", here))
    return Section("By collection", "The first metric of each collection; longer is better.", list(groups))


def by_collection(systems: Systems) -> Section:
    """A table for each collection: conditions and published systems down, metrics across."""
    text = (
        "Every condition, with its settings. Below a value stand the paper's for that condition and the one expected "
        "from an earlier run, where there are any. Rows in italics are published numbers; the best of a column is bold."
    )
    return Section("Scores", text, [_at(systems, where) for where in systems.places])


def costs(systems: Systems) -> Section | None:
    """A table for each collection: index statistics and latency of the conditions that have them."""
    found = []
    for where in systems.places:
        results = [result for result in systems.at(where) if result.index or result.latency]
        if results:
            rows = [Row([_name(systems, result), *_costs(result)]) for result in results]
            header = ["system", "documents", "postings", "MB", "ms/query", "95 %", "queries/s"]
            found.append(Table(where, header, rows))
    return Section("Index and speed", "MB are 10^6 bytes on disk.", list(found)) if found else None


def _across(systems: Systems, metric: str) -> Table | None:
    rows: dict[str, dict[str, float]] = {}
    averaged = False
    for where in systems.places:
        results = [result for result in systems.full(where) if metric in result.metrics]
        if results:
            rows[where] = {systems.label(result): result.metrics[metric] for result in results}
            averaged = averaged or any(result.mean_of for result in results)
    if len(rows) < 2:
        return None
    measured = [label for label in systems.labels() if any(label in row for row in rows.values())]
    others = {where: _published(systems, where) for where in rows}
    columns = measured + _common(others, metric, len(rows))
    for where, row in rows.items():
        row.update({system: values[metric] for system, values in others[where].items() if metric in values})
    body = [Row([Cell(where), *_row(row, measured, columns)]) for where, row in rows.items()]
    if not averaged:  # a condition that is a mean itself would count twice
        complete = [label for label in columns if all(label in row for row in rows.values())]
        means = {label: sum(row[label] for row in rows.values()) / len(rows) for label in complete}
        body.append(Row([Cell("mean"), *_row(means, columns, columns)]))
    return Table(metric, ["collection", *columns], body, frozenset(columns) - frozenset(measured))


def _row(row: dict[str, float], measured: list[str], columns: list[str]) -> list[Cell]:
    best = max((row[column] for column in columns if column in row), default=0.0)
    cells = []
    for column in columns:
        write = score if column in measured else published_score
        cells.append(Cell(write(row[column]), best=row[column] == best) if column in row else Cell("–"))
    return cells


def _published(systems: Systems, where: str) -> Scores:
    from pyserini_dupmae.experiments.published import published

    first = systems.at(where)[0]
    return published(first.collection, first.topics)


def _common(others: dict[str, Scores], metric: str, rows: int) -> list[str]:
    """The published systems that most rows have; the rest would be columns of gaps."""
    counts: dict[str, int] = {}
    for scores in others.values():
        for system, values in scores.items():
            counts[system] = counts.get(system, 0) + (metric in values)
    return [system for system, count in counts.items() if 2 * count > rows]


def _at(systems: Systems, where: str) -> Table:
    results = systems.at(where)
    metrics = metrics_of(results)
    others = {
        system: values
        for system, values in _published(systems, where).items()
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
