"""Round numbers for axes, and the maps from values to pixels."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

TICKS = 5
Scale = Callable[[float], float]


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
