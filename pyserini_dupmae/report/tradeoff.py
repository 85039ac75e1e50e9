"""Effectiveness against index size and latency, where there are several systems or settings to choose from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from pyserini_dupmae.evaluation.results import MODE_NAMES, ConditionResult
from pyserini_dupmae.report.blocks import Block, Section
from pyserini_dupmae.report.charts import Point, tradeoff_chart
from pyserini_dupmae.report.labels import SETTINGS, Systems, metrics_of, setting

AXES: dict[str, Callable[[ConditionResult], float | None]] = {
    "index size (MB)": lambda result: result.index.bytes / 1e6 if result.index else None,
    "latency (ms/query)": lambda result: result.latency.mean_ms if result.latency else None,
}


def section(systems: Systems) -> Section | None:
    """Two charts for each collection on which size and latency of several conditions are known."""
    charts: list[Block] = []
    for where in systems.places:
        results = systems.at(where)
        metric = metrics_of(results)[0]
        for x_label, x_of in AXES.items():
            placed = [(x, result) for result in results if (x := x_of(result)) and metric in result.metrics]
            if len({x for x, _ in placed}) > 1:
                shown = [result for _, result in placed]
                points = [
                    Point(x, r.metrics[metric], r.mode, _label(systems, r, shown), systems.label(r)) for x, r in placed
                ]
                kinds = {mode: name or "other models" for mode, name in MODE_NAMES.items()}
                kinds = {mode: name for mode, name in kinds.items() if any(r.mode == mode for r in shown)}
                charts.append(tradeoff_chart(f"{where}: {metric} by {x_label}", x_label, metric, points, kinds))
    text = (
        "Further up is better, further left is cheaper. The dashed line joins the conditions of which no other is both "
        "better and cheaper (the Pareto frontier). A label says in what a condition differs from most of its "
        "system; point at a dot for its numbers."
    )
    return Section("Size and speed against effectiveness", text, charts) if charts else None


def _label(systems: Systems, result: ConditionResult, shown: Sequence[ConditionResult]) -> str:
    """The settings in which this condition differs from most of its system, "k 128"; its system where in none.

    Of values that are equally frequent the largest counts as what most have.
    """
    label = systems.label(result)
    same = [other for other in shown if systems.label(other) == label]
    usual = {name: Counter(getattr(other, name) for other in reversed(same)).most_common(1)[0][0] for name in SETTINGS}
    changed = [name for name, value in usual.items() if getattr(result, name) != value]
    return ", ".join(f"{SETTINGS[name]} {setting(result, name)}" for name in changed) or label
