"""The systems over all collections: a table for each metric, and bars for each collection."""

from __future__ import annotations

from pyserini_dupmae.report.blocks import Bar, Bars, Cell, Row, Section, Table, published_score, score
from pyserini_dupmae.report.published import Scores, published
from pyserini_dupmae.report.systems import Systems, metrics_of


def tables(systems: Systems) -> Section | None:
    """Collections down, systems across, for every metric that two collections share."""
    found = [table for metric in metrics_of(systems.results) if (table := _table(systems, metric))]
    if not found:
        return None
    text = "Each system at its largest settings; the best of a row is bold. Columns in italics are published numbers."
    return Section("Overview", text, list(found))


def bars(systems: Systems) -> Section:
    """One group of bars a collection, under its first metric; published numbers below the measured ones."""
    groups = []
    for where in systems.places:
        results = systems.full(where)
        metric = metrics_of(results)[0]
        here = [Bar(systems.label(r), r.metrics[metric], r.mode) for r in results if metric in r.metrics]
        others = {system: v[metric] for system, v in _published(systems, where).items() if metric in v}
        here += [Bar(s, others[s], "published") for s in sorted(others, key=others.__getitem__, reverse=True)]
        groups.append(Bars(f"{where}: {metric}", here))
    return Section("By collection", "The first metric of each collection; longer is better.", list(groups))


def _table(systems: Systems, metric: str) -> Table | None:
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
    body = [Row([Cell(where), *_cells(row, measured, columns)]) for where, row in rows.items()]
    if not averaged:  # a condition that is a mean itself would count twice
        complete = [label for label in columns if all(label in row for row in rows.values())]
        means = {label: sum(row[label] for row in rows.values()) / len(rows) for label in complete}
        body.append(Row([Cell("mean"), *_cells(means, columns, columns)]))
    return Table(metric, ["collection", *columns], body, frozenset(columns) - frozenset(measured))


def _cells(row: dict[str, float], measured: list[str], columns: list[str]) -> list[Cell]:
    best = max((row[column] for column in columns if column in row), default=0.0)
    cells = []
    for column in columns:
        write = score if column in measured else published_score
        cells.append(Cell(write(row[column]), best=row[column] == best) if column in row else Cell("–"))
    return cells


def _published(systems: Systems, where: str) -> Scores:
    first = systems.at(where)[0]
    return published(first.collection, first.topics)


def _common(others: dict[str, Scores], metric: str, rows: int) -> list[str]:
    """The published systems that most rows have; the rest would be columns of gaps."""
    counts: dict[str, int] = {}
    for scores in others.values():
        for system, values in scores.items():
            counts[system] = counts.get(system, 0) + (metric in values)
    return [system for system, count in counts.items() if 2 * count > rows]
