"""The report as Markdown: the same sections and tables; charts are left to the HTML page."""

from __future__ import annotations

from collections.abc import Sequence

from pyserini_dupmae.evaluation.tables import markdown_table
from pyserini_dupmae.report.blocks import Cell, Section, Table


def page(title: str, sections: Sequence[Section], footer: str) -> str:
    """The whole document. Sections that have charts alone are left out."""
    parts = [f"# {title}"]
    for section in sections:
        tables = [block for block in section.blocks if isinstance(block, Table)]
        if tables:
            parts += [f"## {section.title}", section.text]
        for table in tables:
            parts += [f"### {table.caption}", _table(table)]
    return "\n\n".join([*parts, footer]) + "\n"


def _table(table: Table) -> str:
    header = [_styled(name, name in table.published) for name in table.header]
    rows = []
    for row in table.rows:
        published = [row.published or name in table.published for name in table.header]
        rows.append([_cell(cell, flag) for cell, flag in zip(row.cells, published, strict=True)])
    return markdown_table(header, rows)


def _cell(cell: Cell, published: bool) -> str:
    text = f"**{cell.text}**" if cell.best else _styled(cell.text, published)
    return f"{text} ({cell.note})" if cell.note else text


def _styled(text: str, published: bool) -> str:
    return f"*{text}*" if published and text != "–" else text
