"""Tables as aligned text and as Markdown."""

from __future__ import annotations

import re
from collections.abc import Sequence

Rows = Sequence[Sequence[str]]

_MEANS_SOMETHING = re.compile(r"[\\`*\[\]<>|~]|&(?=#?\w+;)|(?<!\w)_|_(?!\w)")


class Markdown(str):
    """Text that is Markdown already; what is not, `markdown_text` makes it."""


def markdown_text(text: str) -> Markdown:
    r"""``text`` as Markdown that shows it as it is, on one line.

    >>> print(markdown_text("a|b <i>*x*"))
    a\|b \<i\>\*x\*
    """
    if isinstance(text, Markdown):
        return text
    return Markdown(_MEANS_SOMETHING.sub(lambda found: "\\" + found[0], " ".join(text.split())))


def text_table(header: Sequence[str], rows: Rows) -> str:
    """Columns aligned with spaces, the first to the left and the others to the right."""
    widths = [max(len(cell) for cell in column) for column in zip(header, *rows, strict=True)]
    rule = ["-" * width for width in widths]
    return "\n".join(_aligned(row, widths) for row in (header, rule, *rows))


def markdown_table(header: Sequence[str], rows: Rows) -> str:
    """The same as a pipe table; what is not `Markdown` is escaped."""
    rule = [":--"] + ["--:"] * (len(header) - 1)
    lines = [_piped(header), "|" + "|".join(rule) + "|", *map(_piped, rows)]
    return "\n".join(lines)


def _aligned(row: Sequence[str], widths: Sequence[int]) -> str:
    first = row[0].ljust(widths[0])
    return "  ".join([first, *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]).rstrip()


def _piped(row: Sequence[str]) -> str:
    return "| " + " | ".join(map(markdown_text, row)) + " |"
