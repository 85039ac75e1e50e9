"""Effectiveness against index size and latency, where one system was measured at several settings."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import groupby

from pyserini_dupmae.evaluation.results import ConditionResult
from pyserini_dupmae.report.blocks import LineChart, Point, Section, Series
from pyserini_dupmae.report.labels import SETTINGS, Systems, metrics_of, setting

LOG_RATIO = 20.0
AXES: dict[str, Callable[[ConditionResult], float | None]] = {
    "index size (MB)": lambda result: result.index.bytes / 1e6 if result.index else None,
    "latency (ms/query)": lambda result: result.latency.mean_ms if result.latency else None,
}


def section(systems: Systems) -> Section | None:
    """Two charts for each collection on which one system was measured at several settings."""
    charts = []
    for where in systems.places:
        results = systems.at(where)
        if not any(_varied(group) for _, group in _systems(systems, results)):
            continue
        metric = metrics_of(results)[0]
        for x_label, x_of in AXES.items():
            x = {result.condition: value for result in results if (value := x_of(result))}
            placed = [result for result in results if result.condition in x and metric in result.metrics]
            series = [line for label, group in _systems(systems, placed) for line in _lines(label, group, metric, x)]
            if any(len(line.points) > 1 for line in series):
                every = [point.x for line in series for point in line.points]
                log = max(every) > LOG_RATIO * min(every)
                charts.append(LineChart(f"{where}: {metric} by {x_label}", x_label, metric, series, log))
    if not charts:
        return None
    text = "Further up is better, further left is cheaper."
    return Section("Size and speed against effectiveness", text, list(charts))


def _systems(systems: Systems, results: Iterable[ConditionResult]) -> list[tuple[str, list[ConditionResult]]]:
    return [(label, list(group)) for label, group in groupby(results, key=systems.label)]


def _varied(group: list[ConditionResult]) -> list[str]:
    """The settings that take several values."""
    return [name for name in SETTINGS if len({getattr(result, name) for result in group}) > 1]


def _lines(label: str, group: list[ConditionResult], metric: str, x: dict[str, float]) -> list[Series]:
    """One system's results as lines, each along one setting while the others are fixed.

    Lines along the first setting that varies come first. A line along a later one is drawn only if it adds a result.
    A result that no line reaches becomes a point of its own.
    """
    varied = _varied(group)
    drawn: set[str] = set()
    found = []
    for along in [*varied, None]:
        lines: dict[str, list[ConditionResult]] = {}
        for result in group:
            fixed = [setting(result, name) for name in varied if name != along]
            lines.setdefault(", ".join([label, *fixed]), []).append(result)
        for name, line in lines.items():
            conditions = {result.condition for result in line}
            if conditions <= drawn or (along and len(line) == 1):
                continue
            drawn |= conditions
            points = [Point(x[r.condition], r.metrics[metric], setting(r, along) if along else "") for r in line]
            found.append(Series(name, _marked_ends(points), group[0].mode))
    return found


def _marked_ends(points: list[Point]) -> list[Point]:
    """Only the first and the last point keep their labels: a reader can tell those between."""
    return [points[0], *(replace(point, label="") for point in points[1:-1]), *points[1:][-1:]]
