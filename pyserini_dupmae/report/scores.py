"""The measured scores and costs: over all collections, and of each with everything that is known beside them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pyserini_dupmae.evaluation.comparison import interval
from pyserini_dupmae.evaluation.results import ConditionResult
from pyserini_dupmae.report.blocks import Block, Cell, Row, Section, Table, number, published_score, table
from pyserini_dupmae.report.charts import Score, score_chart
from pyserini_dupmae.report.labels import Systems, metrics_of

if TYPE_CHECKING:
    from pyserini_dupmae.experiments.published import Scores


def overview(systems: Systems) -> Section | None:
    """Collections down, systems across, for every metric; a table for the collections that share their systems."""
    found: list[Block] = []
    for metric in metrics_of(systems.results):
        groups: dict[tuple[str, ...], dict[str, dict[str, float]]] = {}
        for where in systems.places:
            row = {systems.label(r): r.metrics[metric] for r in systems.full(where) if metric in r.metrics}
            groups.setdefault(tuple(row), {})[where] = row
        found += [_across(systems, metric, rows) for labels, rows in groups.items() if labels and len(rows) > 1]
    if not found:
        return None
    text = "Each system at its largest settings; the best of a row is bold. Columns in italics are published numbers."
    return Section("Overview", text, found)


def charts(systems: Systems) -> Section:
    """A chart for each collection, of its first metric, all on one scale; published numbers below the measured ones."""
    groups: dict[str, tuple[str, list[Score]]] = {}
    for where in systems.places:
        results = systems.full(where)
        metric = metrics_of(results)[0]
        here = [_score(systems, result, metric) for result in results if metric in result.metrics]
        others = {system: v[metric] for system, v in _published(systems, where).items() if metric in v}
        for system in sorted(others, key=others.__getitem__, reverse=True):
            here.append(Score(system, others[system], "published", published_score(others[system]).text))
        groups[where] = metric, here
    most = max(max(score.value, score.high or 0.0) for _, scores in groups.values() for score in scores)
    drawn = [
        score_chart(f"{where}: {metric}", metric, scores, most or 1.0) for where, (metric, scores) in groups.items()
    ]
    text = (
        "The first metric of each collection, each system at its largest settings. Lines are 95 % confidence intervals "
        "over queries. Grey dots are published numbers."
    )
    return Section("By collection", text, list(drawn))


def by_collection(systems: Systems) -> Section:
    """A table for each collection: conditions and published systems down, settings and metrics across."""
    text = (
        "Every condition with its settings. Below each mean are its 95 % confidence interval, the paper's value, and "
        "what an earlier run makes expect, where there are any. Rows in italics are published numbers; the best of a "
        "column is bold. Click on a heading to sort."
    )
    return Section("Scores", text, [_at(systems, where) for where in systems.places])


def costs(systems: Systems) -> Section | None:
    """A table for each collection: index statistics and latency of the conditions that have them."""
    found: list[Block] = []
    for where in systems.places:
        results = [result for result in systems.at(where) if result.index or result.latency]
        if results:
            sizes, times = [result.index for result in results], [result.latency for result in results]
            columns = {
                **systems.names(results),
                "documents": [number(None if one is None else one.documents, ",d") for one in sizes],
                "postings": [number(None if one is None else one.postings, ",d") for one in sizes],
                "MB": [number(None if one is None else one.bytes / 1e6, ",.2f") for one in sizes],
                "ms/query": [number(None if one is None else one.mean_ms, ",.2f") for one in times],
                "median": [number(None if one is None else one.median_ms, ",.2f") for one in times],
                "95 %": [number(None if one is None else one.p95_ms, ",.2f") for one in times],
                "queries/s": [number(None if one is None else one.queries_per_second, ",.1f") for one in times],
            }
            found.append(table(where, columns))
    text = "MB are 10^6 bytes on disk. Times are of a search, without encoding the query; median and 95th percentile."
    return Section("Index and speed", text, found) if found else None


def interval_of(result: ConditionResult, metric: str) -> tuple[float, float] | None:
    """The 95 % confidence interval of a mean, None where the values by query are not known."""
    values = result.per_query.get(metric)
    return interval(list(values.values())) if values and len(values) > 1 else None


def _score(systems: Systems, result: ConditionResult, metric: str) -> Score:
    value = result.metrics[metric]
    return Score(systems.label(result), value, result.mode, f"{value:.4f}", *(interval_of(result, metric) or ()))


def _across(systems: Systems, metric: str, rows: dict[str, dict[str, float]]) -> Table:
    measured = list(next(iter(rows.values())))
    others = {where: _published(systems, where) for where in rows}
    shared = [s for s in next(iter(others.values())) if all(metric in of.get(s, {}) for of in others.values())]
    everything = {where: row | {s: others[where][s][metric] for s in shared} for where, row in rows.items()}
    body = [Row([Cell(where), *_row(row, measured)]) for where, row in everything.items()]
    if not any(result.mean_of for result in systems.results):  # a condition that is a mean itself would count twice
        means = {s: sum(row[s] for row in everything.values()) / len(rows) for s in [*measured, *shared]}
        body.append(Row([Cell("mean"), *_row(means, measured)]))
    return Table(metric, ["collection", *measured, *shared], body, frozenset(shared))


def _row(row: dict[str, float], measured: list[str]) -> list[Cell]:
    best = max(row.values())
    return [
        number(value, best=value == best) if system in measured else published_score(value, best=value == best)
        for system, value in row.items()
    ]


def _published(systems: Systems, where: str) -> Scores:
    from pyserini_dupmae.experiments.published import published

    first = systems.at(where)[0]
    return published(first.collection, first.topics)


def _at(systems: Systems, where: str) -> Table:
    results = systems.at(where)
    metrics = metrics_of(results)
    others = {
        system: values
        for system, values in _published(systems, where).items()
        if any(metric in values for metric in metrics)
    }
    columns = systems.names(results)
    for metric in metrics:
        best = max([r.metrics.get(metric, 0.0) for r in results] + [v.get(metric, 0.0) for v in others.values()])
        columns[metric] = [
            number(value, best=value == best, notes=tuple(_notes(result, metric)))
            for result in results
            for value in [result.metrics.get(metric)]
        ]
        columns[metric] += [published_score(v.get(metric), best=v.get(metric) == best) for v in others.values()]
    columns["condition"] = [Cell(result.condition) for result in results]
    columns["system"] += [Cell(system) for system in others]
    rows = len(columns["system"])
    filled = {name: [*cells, *[Cell()] * (rows - len(cells))] for name, cells in columns.items()}
    return table(where, filled, [False] * len(results) + [True] * len(others))


def _notes(result: ConditionResult, metric: str) -> Iterator[str]:
    found = interval_of(result, metric)
    if found:
        yield f"{found[0]:.3f}–{found[1]:.3f}"
    if metric in result.paper:
        yield f"paper {published_score(result.paper[metric]).text}"
    if metric in result.expected:
        yield f"expected {number(result.expected[metric]).text}"
