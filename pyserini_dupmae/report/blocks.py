"""What a report consists of, before it is HTML or Markdown."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Cell:
    """``text``, a smaller ``note`` below it, and whether it is the best of its column (or row)."""

    text: str
    note: str = ""
    best: bool = False


@dataclass(frozen=True)
class Row:
    """A table's row; ``published`` marks numbers that were not measured here."""

    cells: list[Cell]
    published: bool = False


@dataclass(frozen=True)
class Table:
    """``header`` has a name for each cell of a row; ``published`` names the columns that were not measured here."""

    caption: str
    header: list[str]
    rows: list[Row]
    published: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Bar:
    """``kind`` is a mode of `ConditionResult` or "published", and gives the colour."""

    label: str
    value: float
    kind: str

    @property
    def text(self) -> str:
        """The value as the chart writes it."""
        return published_score(self.value) if self.kind == "published" else score(self.value)


@dataclass(frozen=True)
class Bars:
    """Horizontal bars from 0, in the order given."""

    caption: str
    bars: list[Bar]


@dataclass(frozen=True)
class Point:
    """``label`` is shown beside the point when it is not empty."""

    x: float
    y: float
    label: str = ""


@dataclass(frozen=True)
class Series:
    """Points joined in their order; ``kind`` gives the colour as `Bar.kind` does, "" one of its own."""

    label: str
    points: list[Point]
    kind: str = ""


@dataclass(frozen=True)
class LineChart:
    """Series over common axes. ``log_x`` needs every x above 0."""

    caption: str
    x_label: str
    y_label: str
    series: list[Series]
    log_x: bool = False


@dataclass(frozen=True)
class Deltas:
    """Per-query differences, drawn from the largest gain to the largest loss."""

    caption: str
    y_label: str
    values: list[float]


Block = Table | Bars | LineChart | Deltas


@dataclass(frozen=True)
class Section:
    """A heading, a sentence on how to read what follows, and the blocks."""

    title: str
    text: str
    blocks: list[Block]


def score(value: float) -> str:
    """A measured value as tables print it."""
    return f"{value:.4f}"


def published_score(value: float) -> str:
    """A published value with the digits that it has, three or four.

    >>> published_score(0.33), published_score(0.4102)
    ('0.330', '0.4102')
    """
    return f"{value:.3f}" if round(value, 3) == value else f"{value:.4f}"
