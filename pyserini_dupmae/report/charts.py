"""Charts as Vega-Lite and Vega specifications. Colours are variables of the page's style, so they follow its theme."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from pyserini_dupmae.report.blocks import Chart

COLOURS = {kind: f"var(--{kind})" for kind in ("bm25", "other", "dense", "sparse", "hybrid", "published")}
LINES = [f"var(--s{number})" for number in range(8)]
TEXT = {"font": "system-ui, sans-serif", "fontSize": 13, "fill": "var(--ink)"}
LOG_RATIO = 20.0
POINT_LIMIT, QUERY_LIMIT = 400, 600
_AXIS = {
    "labelFontSize": 13,
    "titleFontSize": 13,
    "titleFontWeight": "normal",
    "labelColor": "var(--ink)",
    "titleColor": "var(--ink)",
    "gridColor": "var(--rule)",
    "domainColor": "var(--soft)",
    "tickColor": "var(--soft)",
    "labelFont": TEXT["font"],
    "titleFont": TEXT["font"],
}
CONFIG = {
    "background": None,
    "font": TEXT["font"],
    "axis": _AXIS,
    "legend": {"labelFontSize": 13, "labelColor": "var(--ink)", "labelLimit": 300, "title": None, "orient": "top"},
    "view": {"stroke": None},
}
NARROW = "containerSize()[0] < 600"
TICKS = {"expr": f"{NARROW} ? 4 : 10"}


@dataclass(frozen=True)
class Score:
    """A system's value, with its confidence interval if it has one; ``kind`` is a mode or "published"."""

    system: str
    value: float
    kind: str
    text: str
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Point:
    """A setting of a system: what it costs (``x``) and brings (``y``); ``label`` stands beside it if there is room."""

    x: float
    y: float
    kind: str
    label: str
    system: str


def score_chart(caption: str, metric: str, scores: Sequence[Score], most: float) -> Chart:
    """A dot for each system on an axis from 0 to ``most``, with its interval as a line."""
    rows = [
        {"system": s.system, "value": s.value, "text": s.text, "colour": COLOURS[s.kind], "low": s.low, "high": s.high}
        for s in scores
    ]
    shown = {
        "field": "value",
        "type": "quantitative",
        "title": metric,
        "scale": {"domain": [0, most]},
        "axis": {"tickCount": TICKS},
    }
    colour = {"field": "colour", "type": "nominal", "scale": None}
    limit = {"expr": "max(130, containerSize()[0] * 0.3)"}
    tooltip = [
        {"field": name, "type": kind, "title": title, **form}
        for name, kind, title, form in (
            ("system", "nominal", "system", {}),
            ("text", "nominal", metric, {}),
            ("low", "quantitative", "95 % from", {"format": ".4f"}),
            ("high", "quantitative", "to", {"format": ".4f"}),
        )
    ]
    spec = {
        "width": "container",
        "height": {"step": 34},
        "autosize": {"type": "fit-x", "contains": "padding"},
        "data": {"values": rows},
        "encoding": {
            "y": {
                "field": "system",
                "type": "nominal",
                "sort": None,
                "title": None,
                "axis": {"labelLimit": limit, "grid": True, "ticks": False, "domain": False},
            },
            "color": colour,
            "tooltip": tooltip,
        },
        "layer": [
            {
                "transform": [{"filter": "isValid(datum.low)"}],
                "mark": {"type": "rule", "strokeWidth": 2.5},
                "encoding": {"x": {**shown, "field": "low"}, "x2": {"field": "high"}},
            },
            {"mark": {"type": "point", "filled": True, "size": 90, "opacity": 1}, "encoding": {"x": shown}},
            {
                "mark": {"type": "text", "dy": -11, "fontSize": 12},
                "encoding": {"x": shown, "text": {"field": "text"}, "color": {"value": "var(--ink)"}},
            },
        ],
    }
    return Chart(caption, {**spec, "config": CONFIG})


def difference_chart(caption: str, metric: str, queries: Sequence[tuple[str, float]], most: float) -> Chart:
    """The differences of ``queries`` (what a reader sees of one, its difference), from the largest to the smallest."""
    ordered = sorted(queries, key=lambda query: -query[1])
    count = min(len(ordered), QUERY_LIMIT)
    places = [number * len(ordered) // count for number in range(count)]
    ends = [*places[1:], len(ordered)]
    rows = [
        {"from": place, "to": end, "difference": ordered[place][1], "query": ordered[place][0]}
        for place, end in zip(places, ends, strict=True)
    ]
    better = {"test": "datum.difference > 0", "value": "var(--gain)"}
    spec = {
        "width": "container",
        "height": 150,
        "data": {"values": rows},
        "mark": {"type": "bar", "strokeWidth": 0.6},
        "encoding": {
            "x": {
                "field": "from",
                "type": "quantitative",
                "title": f"{len(ordered)} queries, by what they gain",
                "scale": {"domain": [0, len(ordered)], "nice": False},
                "axis": {"grid": False, "tickMinStep": 1, "tickCount": TICKS},
            },
            "x2": {"field": "to"},
            "y": {
                "field": "difference",
                "type": "quantitative",
                "title": f"difference in {metric}",
                "scale": {"domain": [-most, most]},
            },
            "y2": {"datum": 0},
            "color": {"condition": better, "value": "var(--loss)"},
            "stroke": {"condition": better, "value": "var(--loss)"},
            "tooltip": [
                {"field": "query", "type": "nominal"},
                {"field": "difference", "type": "quantitative", "format": "+.4f"},
            ],
        },
    }
    return Chart(caption, {**spec, "config": CONFIG})


def tradeoff_chart(caption: str, x_label: str, metric: str, points: Sequence[Point], kinds: dict[str, str]) -> Chart:
    """Points over what they cost, with the line of those that nothing beats in both; labels do not cover each other.

    ``kinds`` has the names of the points' kinds, for the legend.
    """
    best = frontier(points)
    rows = [
        {
            "x": point.x,
            "y": point.y,
            "kind": kinds[point.kind],
            "label": point.label,
            "system": point.system,
            "first": int(point in best),
        }
        for point in points
    ]
    low, high = min(point.x for point in points), max(point.x for point in points)
    ticks = "datum.value >= 1000 ? format(datum.value, '.2~s') : format(datum.value, '.3~g')"
    log = high > LOG_RATIO * low
    x_scale = (
        {"type": "log", "nice": False, "domain": [low / 1.3, high * 1.3]} if log else {"zero": False, "nice": True}
    )
    at = {"x": {"scale": "x", "field": "x"}, "y": {"scale": "y", "field": "y"}}
    axis = {"grid": True, "titlePadding": 8}
    spec = {
        "autosize": {"type": "fit-x", "contains": "padding"},
        "height": 340,
        "padding": 5,
        "signals": [
            {
                "name": "width",
                "init": "isFinite(containerSize()[0]) ? containerSize()[0] : 600",
                "on": [
                    {"events": "window:resize", "update": "isFinite(containerSize()[0]) ? containerSize()[0] : 600"}
                ],
            }
        ],
        "data": [
            {"name": "points", "values": rows},
            {
                "name": "frontier",
                "source": "points",
                "transform": [{"type": "filter", "expr": "datum.first"}, {"type": "collect", "sort": {"field": "x"}}],
            },
        ],
        "scales": [
            {
                "name": "x",
                "domain": {"data": "points", "field": "x"},
                "range": "width",
                **x_scale,
            },
            {
                "name": "y",
                "domain": {"data": "points", "field": "y"},
                "range": "height",
                "zero": False,
                "nice": True,
                "padding": 16,
            },
            {"name": "colour", "type": "ordinal", "domain": list(kinds.values()), "range": [COLOURS[k] for k in kinds]},
        ],
        "axes": [
            {
                "scale": "x",
                "orient": "bottom",
                "title": x_label + (", logarithmic" if log else ""),
                "tickCount": {"signal": TICKS["expr"]},
                "labelOverlap": True,
                "encode": {"labels": {"update": {"text": {"signal": ticks}}}},
                **axis,
            },
            {"scale": "y", "orient": "left", "title": metric, "tickCount": 6, **axis},
        ],
        "legends": [{"fill": "colour", "orient": "top", "columns": {"signal": f"{NARROW} ? 2 : 5"}, "symbolSize": 90}],
        "marks": [
            {
                "type": "line",
                "name": "line",
                "from": {"data": "frontier"},
                "encode": {
                    "update": {
                        **at,
                        "stroke": {"value": "var(--soft)"},
                        "strokeWidth": {"value": 1.5},
                        "strokeDash": {"value": [5, 4]},
                    }
                },
            },
            {
                "type": "symbol",
                "name": "dots",
                "from": {"data": "points"},
                "encode": {
                    "update": {
                        **at,
                        "fill": {"scale": "colour", "field": "kind"},
                        "size": {"signal": "datum.first ? 110 : 60"},
                        "tooltip": {
                            "signal": "{system: datum.system, setting: datum.label, "
                            f"{json.dumps(metric)}: format(datum.y, '.4f'), '{x_label}': format(datum.x, ',.2f')}}"
                        },
                    }
                },
            },
            {
                "type": "text",
                "from": {"data": "dots"},
                "encode": {
                    "update": {
                        "text": {"field": "datum.label"},
                        "fill": {"value": "var(--ink)"},
                        "fontSize": {"value": 12},
                        "font": {"value": TEXT["font"]},
                    }
                },
                "transform": [
                    {
                        "type": "label",
                        "size": {"signal": "[max(width, 1), height]"},
                        "sort": {"field": "datum.first", "order": "descending"},
                        "anchor": [
                            "right",
                            "left",
                            "top",
                            "bottom",
                            "top-right",
                            "bottom-right",
                            "top-left",
                            "bottom-left",
                        ],
                        "offset": [5],
                        "avoidMarks": ["line"],
                    }
                ],
            },
        ],
    }
    return Chart(caption, {**spec, "config": CONFIG}, "vega")


def frontier(points: Sequence[Point]) -> list[Point]:
    """The points that no other beats or equals in both, by rising cost: each costs more and brings more than the last.

    >>> cheap, bad, dear = (Point(x, y, "", "", "") for x, y in ((1, 0.3), (2, 0.2), (3, 0.4)))
    >>> frontier([dear, bad, cheap]) == [cheap, dear]
    True
    """
    found: list[Point] = []
    for point in sorted(points, key=lambda point: (point.x, -point.y)):
        if not found or point.y > found[-1].y:
            found.append(point)
    return found


def curve_chart(caption: str, y_label: str, curves: dict[str, list[tuple[float, float]]]) -> Chart:
    """Curves by name over a training's steps, each thinned to a few hundred points; the last point stays."""
    rows = []
    for name, points in curves.items():
        stride = -(-len(points) // POINT_LIMIT)
        rows += [{"curve": name, "step": x, "value": y} for x, y in [*points[:-1:stride], points[-1]]]
    spec = {
        "width": "container",
        "height": 300,
        "data": {"values": rows},
        "mark": {"type": "line", "strokeWidth": 2, "point": len(rows) <= 20 * len(curves), "tooltip": True},
        "encoding": {
            "x": {
                "field": "step",
                "type": "quantitative",
                "axis": {"tickMinStep": 1, "tickCount": TICKS, "format": ",d"},
            },
            "y": {"field": "value", "type": "quantitative", "title": y_label, "scale": {"zero": False}},
            "color": {
                "field": "curve",
                "type": "nominal",
                "sort": None,
                "scale": {"domain": list(curves), "range": LINES},
                "legend": {"columns": {"expr": f"{NARROW} ? 2 : 5"}} if len(curves) > 1 else None,
            },
        },
    }
    return Chart(caption, {**spec, "config": CONFIG})
