"""Tables as aligned text and as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

Rows = Sequence[Sequence[str]]


def text_table(header: Sequence[str], rows: Rows) -> str:
    """Columns aligned with spaces, the first to the left and the others to the right."""
    widths = [max(len(cell) for cell in column) for column in zip(header, *rows, strict=True)]
    rule = ["-" * width for width in widths]
    return "\n".join(_aligned(row, widths) for row in (header, rule, *rows))


def markdown_table(header: Sequence[str], rows: Rows) -> str:
    """The same as a pipe table; a ``|`` in a cell is escaped."""
    rule = [":--"] + ["--:"] * (len(header) - 1)
    lines = [_piped(header), "|" + "|".join(rule) + "|", *map(_piped, rows)]
    return "\n".join(lines)


def _aligned(row: Sequence[str], widths: Sequence[int]) -> str:
    first = row[0].ljust(widths[0])
    return "  ".join([first, *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]).rstrip()


def _piped(row: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"
