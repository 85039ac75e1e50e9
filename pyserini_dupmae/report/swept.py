"""Effectiveness against index size and latency, where one system was measured at several k, d' or bits."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import groupby

from pyserini_dupmae.evaluation.results import ConditionResult
from pyserini_dupmae.report.blocks import LineChart, Point, Section, Series
from pyserini_dupmae.report.systems import Systems, metrics_of

LOG_RATIO = 20.0
SETTINGS = {"top_k": "k {}", "cls_dim": "d' {}", "bits": "{} bits"}
AXES: dict[str, Callable[[ConditionResult], float | None]] = {
    "index size (MB)": lambda result: result.index.bytes / 1e6 if result.index else None,
    "latency (ms/query)": lambda result: result.latency.mean_ms if result.latency else None,
}


def section(systems: Systems) -> Section | None:
    """Two charts for each collection with a sweep: a line joins the values of one setting, the others being fixed."""
    charts = []
    for where in systems.places:
        results = systems.at(where)
        if all(_line_setting(group) is None for _, group in _systems(systems, results)):
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


def _line_setting(group: list[ConditionResult]) -> str | None:
    """The setting that a line runs along: the first that takes several values."""
    return next((name for name in SETTINGS if len({getattr(result, name) for result in group}) > 1), None)


def _lines(label: str, group: list[ConditionResult], metric: str, x: dict[str, float]) -> list[Series]:
    along = _line_setting(group)
    fixed = [name for name in SETTINGS if name != along and len({getattr(result, name) for result in group}) > 1]
    lines: dict[str, list[Point]] = {}
    for result in group:
        name = ", ".join([label, *(SETTINGS[key].format(getattr(result, key)) for key in fixed)])
        mark = SETTINGS[along].format(getattr(result, along)) if along else ""
        lines.setdefault(name, []).append(Point(x[result.condition], result.metrics[metric], mark))
    return [Series(name, _marked_ends(points), group[0].mode) for name, points in lines.items()]


def _marked_ends(points: list[Point]) -> list[Point]:
    """The labels of the first and the last point alone: those between can be told from them."""
    return [points[0], *(replace(point, label="") for point in points[1:-1]), *points[1:][-1:]]
