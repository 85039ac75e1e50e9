"""What a report consists of, before it is HTML or Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pyserini_dupmae.data.query_records import FoundDocument


@dataclass(frozen=True)
class Cell:
    """``text``, what its column is sorted by (default: the text), and whether it is the best of its column or row.

    ``notes`` stand below the text, in small print.
    """

    text: str = ""
    value: float | None = None
    best: bool = False
    notes: tuple[str, ...] = ()


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
class Chart:
    """A drawing by ``language``, ``"vega-lite"`` or ``"vega"``, as wide as the page."""

    caption: str
    spec: dict[str, Any]
    language: str = "vega-lite"


@dataclass(frozen=True)
class Ranking:
    """What a system found for a query, and its ``value`` there; ``most`` is the largest score, for bars."""

    system: str
    value: float
    hits: Sequence[FoundDocument]

    @property
    def most(self) -> float:
        return max((abs(part) for hit in self.hits for part in (hit.score, hit.dense or 0.0)), default=0.0) or 1.0


@dataclass(frozen=True)
class Query:
    """A query with the rankings of several systems; the ``difference`` from ``opponent`` is why it is shown."""

    text: str
    qid: str
    difference: float
    opponent: str
    rankings: list[Ranking]


@dataclass(frozen=True)
class Queries:
    """Queries to unfold."""

    caption: str
    queries: list[Query]


@dataclass(frozen=True)
class Commands:
    """Commands to paste."""

    caption: str
    commands: list[str]


Block = Table | Chart | Queries | Commands


@dataclass(frozen=True)
class Section:
    """A heading, a sentence on how to read what follows, and the blocks."""

    title: str
    text: str
    blocks: list[Block]


def number(value: float | None, form: str = ".4f", best: bool = False, notes: tuple[str, ...] = ()) -> Cell:
    """A cell with a number, empty for None.

    >>> number(1234.5, ",.1f").text, number(None).text
    ('1,234.5', '')
    """
    return Cell() if value is None else Cell(format(value, form), value, best, notes)


def published_score(value: float | None, best: bool = False) -> Cell:
    """A published value with the digits that it has, three or four.

    >>> published_score(0.33).text, published_score(0.4102).text
    ('0.330', '0.4102')
    """
    return number(value, ".3f" if value is not None and round(value, 3) == value else ".4f", best)


def table(caption: str, columns: dict[str, list[Cell]], published: Sequence[bool] = ()) -> Table:
    """A table of ``columns``, without those that are empty; ``published`` says so of each row."""
    shown = {name: cells for name, cells in columns.items() if any(cell.text for cell in cells)}
    rows = [list(cells) for cells in zip(*shown.values(), strict=True)]
    flags = published or [False] * len(rows)
    return Table(caption, list(shown), [Row(cells, flag) for cells, flag in zip(rows, flags, strict=True)])
