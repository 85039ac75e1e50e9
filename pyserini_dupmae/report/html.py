"""The report as one HTML file that needs nothing else: no script, no font, no reference to any network."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from itertools import groupby

from pyserini_dupmae.report.blocks import Bars, Block, Cell, Deltas, LineChart, Section, Table, published_score, score
from pyserini_dupmae.report.style import CSS
from pyserini_dupmae.report.svg import delta_chart, line_chart, line_style


def page(title: str, sections: Sequence[Section], footer: str) -> str:
    """The whole document. Its policy forbids a browser to load anything."""
    links = "".join(f'<a href="#s{number}">{escape(s.title)}</a>' for number, s in enumerate(sections))
    body = "\n".join(_section(number, section) for number, section in enumerate(sections))
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{escape(title)}</title>
<style>{CSS}</style>
</head>
<body>
<header><h1>{escape(title)}</h1><nav>{links}</nav></header>
<main>
{body}
</main>
<footer>{escape(footer)}</footer>
</body>
</html>
"""


def _section(number: int, section: Section) -> str:
    parts = [f'<section id="s{number}"><h2>{escape(section.title)}</h2><p>{escape(section.text)}</p>']
    for is_table, group in groupby(section.blocks, key=lambda block: isinstance(block, Table)):
        figures = "\n".join(map(_figure, group))
        parts.append(f'<div class="{"tables" if is_table else "charts"}">{figures}</div>')
    return "\n".join([*parts, "</section>"])


def _figure(block: Block) -> str:
    if isinstance(block, Table):
        inside = _table(block)
    elif isinstance(block, Bars):
        inside = _bars(block)
    elif isinstance(block, Deltas):
        inside = delta_chart(block)
    else:
        inside = line_chart(block) + _legend(block)
    return f"<figure><figcaption>{escape(block.caption)}</figcaption>{inside}</figure>"


def _table(table: Table) -> str:
    head = "".join(f"<th{_class(name in table.published)}>{escape(name)}</th>" for name in table.header)
    rows = []
    for row in table.rows:
        published = [row.published or name in table.published for name in table.header]
        cells = [_cell(c, "td" if n else "th", p) for n, (c, p) in enumerate(zip(row.cells, published, strict=True))]
        rows.append(f"<tr>{''.join(cells)}</tr>")
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'


def _cell(cell: Cell, tag: str, published: bool) -> str:
    note = f"<small>{escape(cell.note)}</small>" if cell.note else ""
    return f"<{tag}{_class(published, cell.best)}>{escape(cell.text)}{note}</{tag}>"


def _class(published: bool, best: bool = False) -> str:
    names = " ".join(["published"] * published + ["best"] * best)
    return f' class="{names}"' if names else ""


def _bars(bars: Bars) -> str:
    largest = max((bar.value for bar in bars.bars), default=0.0) or 1.0
    rows = [
        f"<span{_class(bar.kind == 'published')}>{escape(bar.label)}</span>"
        f'<div class="bar {bar.kind}" style="width:{max(bar.value, 0.0) / largest:.1%}"></div>'
        f"<span>{published_score(bar.value) if bar.kind == 'published' else score(bar.value)}</span>"
        for bar in bars.bars
    ]
    return f'<div class="bars">{"".join(rows)}</div>'


def _legend(chart: LineChart) -> str:
    entries = []
    for number, series in enumerate(chart.series):
        line = f'<line class="line {line_style(number, series)}" x1="0" x2="30" y1="5" y2="5"/>'
        swatch = f'<svg viewBox="0 0 30 10" aria-hidden="true">{line}</svg>'
        entries.append(f"<li>{swatch}{escape(series.label)}</li>")
    return f'<ul class="legend">{"".join(entries)}</ul>'
