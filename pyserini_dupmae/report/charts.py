"""Charts as inline SVG: lines over two axes, and sorted differences. Colours and dashes come from the page's style."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from html import escape

from pyserini_dupmae.report.blocks import Deltas, LineChart, Series

WIDTH, HEIGHT = 360, 230
LEFT, RIGHT, TOP, BOTTOM = 48, 350, 12, 190
COLOURS, DASHES = 8, 4
POINT_LIMIT = 40
LABEL_WIDTH, LABEL_HEIGHT = 30, 11
TICKS = 5
Scale = Callable[[float], float]


def line_chart(chart: LineChart) -> str:
    """The series as lines, with a dot a point where there are few, and the points' labels."""
    points = [point for series in chart.series for point in series.points]
    x_ticks, to_x = (logarithmic if chart.log_x else linear)([point.x for point in points], LEFT, RIGHT)
    y_ticks, to_y = linear([point.y for point in points], BOTTOM, TOP)
    parts = [_horizontal(y_ticks, to_y), _vertical(x_ticks, to_x), _titles(chart.x_label, chart.y_label)]
    labels = []
    for number, series in enumerate(chart.series):
        placed = [(to_x(point.x), to_y(point.y)) for point in series.points]
        parts.append(_line(line_style(number, series), series, placed))
        for point, (x, y) in zip(series.points, placed, strict=True):
            lowered = point is series.points[0]  # below its point, where the line does not go
            labels.append((point.label, x, y + 13 if lowered else max(y - 7, 9)))
    return _svg(chart.caption, [*parts, *_point_labels(labels)])


def delta_chart(chart: Deltas) -> str:
    """The falling differences as areas above and below zero, a step a query (a pixel, when there are more queries)."""
    columns = RIGHT - LEFT
    count = min(len(chart.values), columns)
    chosen = [chart.values[number * len(chart.values) // count] for number in range(count)]
    y_ticks, to_y = linear([*chart.values, 0.0], BOTTOM, TOP)
    zero, step = to_y(0.0), columns / count
    parts = [_horizontal(y_ticks, to_y), _titles(f"{len(chart.values)} queries", chart.y_label)]
    for style, sign in (("gain", 1), ("loss", -1)):
        shown = [number for number, value in enumerate(chosen) if sign * value > 0]
        if shown:
            steps = "".join(f"V{to_y(chosen[number]):.1f}h{step:.3f}" for number in shown)
            parts.append(f'<path class="{style}" d="M{LEFT + shown[0] * step:.1f} {zero:.1f}{steps}V{zero:.1f}z"/>')
    parts.append(f'<line class="axis" x1="{LEFT}" x2="{RIGHT}" y1="{zero:.1f}" y2="{zero:.1f}"/>')
    return _svg(chart.caption, parts)


def line_style(number: int, series: Series) -> str:
    """The classes of a chart's line: its colour, and dashes that tell lines apart on grey paper too."""
    return f"{series.kind or f's{number % COLOURS}'} d{number % DASHES}"


def _horizontal(marks: Iterable[float], to_y: Scale) -> str:
    return "".join(
        f'<line class="grid" x1="{LEFT}" x2="{RIGHT}" y1="{to_y(tick):.1f}" y2="{to_y(tick):.1f}"/>'
        f'<text x="{LEFT - 5}" y="{to_y(tick) + 3.5:.1f}" text-anchor="end">{short(tick)}</text>'
        for tick in marks
    )


def _vertical(marks: Iterable[float], to_x: Scale) -> str:
    return "".join(
        f'<line class="grid" x1="{to_x(tick):.1f}" x2="{to_x(tick):.1f}" y1="{TOP}" y2="{BOTTOM}"/>'
        f'<text x="{to_x(tick):.1f}" y="{BOTTOM + 14}" text-anchor="middle">{short(tick)}</text>'
        for tick in marks
    )


def _titles(x_label: str, y_label: str) -> str:
    across, down = (LEFT + RIGHT) / 2, (TOP + BOTTOM) / 2
    return (
        f'<text class="title" x="{across}" y="{HEIGHT - 8}">{escape(x_label)}</text>'
        f'<text class="title" transform="translate(10 {down}) rotate(-90)">{escape(y_label)}</text>'
    )


def _line(style: str, series: Series, placed: list[tuple[float, float]]) -> str:
    joined = " ".join(f"{x:.1f},{y:.1f}" for x, y in placed)
    parts = [f'<polyline class="line {style}" points="{joined}"/>']
    if len(placed) <= POINT_LIMIT:
        for point, (x, y) in zip(series.points, placed, strict=True):
            title = f"<title>{escape(f'{series.label} {point.label}: {point.x:g}, {point.y:g}')}</title>"
            parts.append(f'<circle class="dot {style}" cx="{x:.1f}" cy="{y:.1f}" r="3">{title}</circle>')
    return "".join(parts)


def _point_labels(labels: Iterable[tuple[str, float, float]]) -> Iterable[str]:
    """Each text at its place, unless it would cover one that stands already."""
    drawn: list[tuple[float, float]] = []
    for label, x, y in labels:
        if label and all(
            abs(x - other_x) > LABEL_WIDTH or abs(y - other_y) > LABEL_HEIGHT for other_x, other_y in drawn
        ):
            anchor = "end" if x > RIGHT - LABEL_WIDTH / 2 else "middle"
            yield f'<text class="mark" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(label)}</text>'
            drawn.append((x, y))


def _svg(caption: str, parts: Iterable[str]) -> str:
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(caption)}">{"".join(parts)}</svg>'


def linear(values: Sequence[float], start: float, end: float) -> tuple[list[float], Scale]:
    """Ticks that span ``values``, and the map from a value to pixels between ``start`` and ``end``."""
    return _mapped(ticks(min(values), max(values)), float, start, end)


def logarithmic(values: Sequence[float], start: float, end: float) -> tuple[list[float], Scale]:
    """The same for values above 0 on a logarithmic scale, with ticks at 1, 2 and 5 times powers of ten."""
    marks = [factor * 10.0**power for power in range(-9, 16) for factor in (1, 2, 5)]
    below = max(mark for mark in marks if mark <= min(values))
    above = min(mark for mark in marks if mark >= max(values))
    shown = [mark for mark in marks if below <= mark <= above]
    if len(shown) > 2 * TICKS:
        shown = [mark for mark in shown if mark in (below, above) or math.log10(mark).is_integer()]
    return _mapped(shown, math.log, start, end)


def ticks(low: float, high: float) -> list[float]:
    """About five round numbers from at most ``low`` to at least ``high``.

    >>> ticks(0.31, 0.47)
    [0.3, 0.35, 0.4, 0.45, 0.5]
    """
    span = (high - low) or abs(high) or 1.0
    magnitude = 10.0 ** math.floor(math.log10(span / TICKS))
    step = next(factor * magnitude for factor in (1, 2, 2.5, 5, 10) if factor * magnitude * TICKS >= span * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(number * step, 12) for number in range(first, max(last, first + 1) + 1)]


def short(value: float) -> str:
    """A tick's text: 20000 is 20k.

    >>> short(0.25), short(20000)
    ('0.25', '20k')
    """
    return f"{value / 1000:g}k" if value >= 1000 else f"{value:g}"


def _mapped(shown: list[float], scale: Scale, start: float, end: float) -> tuple[list[float], Scale]:
    low, high = scale(shown[0]), scale(shown[-1])
    return shown, lambda value: start + (scale(value) - low) / (high - low) * (end - start)
