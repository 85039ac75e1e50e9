"""The report's two files: one HTML page that needs nothing else, and Markdown with the same tables."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from pyserini_dupmae import __version__
from pyserini_dupmae.evaluation.results import read_results
from pyserini_dupmae.evaluation.tables import Markdown, markdown_table, markdown_text
from pyserini_dupmae.report import origin, per_query, scores, tradeoff, training
from pyserini_dupmae.report.blocks import Cell, Commands, Section, Table
from pyserini_dupmae.report.labels import Systems
from pyserini_dupmae.util.files import atomic_open, require_folder
from pyserini_dupmae.util.lazy import require

SECTIONS = (
    scores.overview,
    scores.charts,
    scores.by_collection,
    per_query.section,
    tradeoff.section,
    scores.costs,
    training.section,
    origin.section,
)
TITLE = "DupMAE: results"
INSTALL = '"pyserini_dupmae[report]"'


@dataclass(frozen=True)
class Report:
    """What was written: the paths ``html`` and ``markdown``, from so many ``results``."""

    html: Path
    markdown: Path
    results: int

    def __str__(self) -> str:
        return f"{self.html}\n{self.markdown}"


def report(results: str | os.PathLike, *, output: str | os.PathLike, title: str = TITLE) -> Report:
    """Make a page of everything that was measured.

    Args:
        results: a folder with ``*.result.json`` files, at any depth, as `pyserini_dupmae.evaluation.results` has them.
            `reproduce`, `sweep` and recipes write them.
        output: the folder that gets ``report.html``, which opens offline in any browser, and ``report.md``.
        title: the page's heading.

    Returns:
        The paths of both files. Sections for which the results have nothing are left out.

    Raises:
        UserError: there are no results, or one of them or a training log is malformed.

    >>> from tempfile import mkdtemp
    >>> from pyserini_dupmae.evaluation.results import ConditionResult
    >>> folder = Path(mkdtemp())
    >>> ConditionResult("bm25", "tides", "bm25", {"RR@10": 0.5}).write(folder / "bm25.result.json")
    >>> made = report(folder, output=folder / "page", title="Tides")
    >>> made.markdown.read_text().splitlines()[0]
    '# Tides'
    """
    require_folder(output)
    found = read_results(results)
    systems = Systems(found, os.fspath(results))
    sections = [section for make in SECTIONS if (section := make(systems))]
    footer = f"{len(found)} results; made by pyserini_dupmae {__version__}."
    made = Report(Path(output, "report.html"), Path(output, "report.md"), len(found))
    for path, write in ((made.html, html), (made.markdown, markdown)):
        with atomic_open(path) as stream:
            stream.write(write(title, sections, footer))
    return made


def html(title: str, sections: Sequence[Section], footer: str) -> str:
    """The page, from ``page.html.jinja``, with all that draws its charts."""
    jinja2 = require("jinja2", "writing a report", INSTALL)
    templates = jinja2.Environment(
        loader=jinja2.PackageLoader(__package__, ""), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    templates.filters.update(kind=lambda block: type(block).__name__, json=_embedded)
    scripts = [_vega(), files(__package__).joinpath("page.js").read_text(encoding="utf-8")]
    hashes = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    page = templates.get_template("page.html.jinja")
    return page.render(title=title, sections=sections, footer=footer, scripts=scripts, hashes=hashes) + "\n"


@cache
def _vega() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script, which leaves ``vegaEmbed``."""
    bundle = require("vl_convert", "drawing the charts of a report", INSTALL).javascript_bundle()
    return f"(() => {{{bundle}}})();"


def _embedded(value: Any) -> str:
    """``value`` as JSON that can stand in a script element."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")


def markdown(title: str, sections: Sequence[Section], footer: str) -> str:
    """The same sections and tables. Charts are left to the page, and sections that have charts alone are left out."""
    parts = [f"# {markdown_text(title)}"]
    for section in sections:
        written = [block for block in section.blocks if isinstance(block, Table | Commands)]
        if written:
            parts += [f"## {markdown_text(section.title)}", markdown_text(section.text)]
        for block in written:
            text = _table(block) if isinstance(block, Table) else "\n".join(f"    {line}" for line in block.commands)
            parts += [f"### {markdown_text(block.caption)}", text]
    return "\n\n".join([*parts, footer]) + "\n"


def _table(table: Table) -> str:
    header = [_styled(name, name in table.published) for name in table.header]
    rows = []
    for row in table.rows:
        published = [row.published or name in table.published for name in table.header]
        rows.append([_cell(cell, flag) for cell, flag in zip(row.cells, published, strict=True)])
    return markdown_table(header, rows)


def _cell(cell: Cell, published: bool) -> str:
    text = Markdown(f"**{markdown_text(cell.text)}**") if cell.best else _styled(cell.text, published)
    return Markdown(f"{text} ({markdown_text('; '.join(cell.notes))})") if cell.notes else text


def _styled(text: str, published: bool) -> Markdown:
    shown = markdown_text(text)
    return Markdown(f"*{shown}*") if published and text else shown
