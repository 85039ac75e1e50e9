"""Make a report from measured conditions.

    python -m pyserini_dupmae.report --results RESULTS --output DIR

RESULTS is a folder with ``*.result.json`` files (`pyserini_dupmae.evaluation.results`), at any depth. Writes
DIR/report.html, which opens offline in any browser, and DIR/report.md. Sections for which the results have nothing are
left out.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from pyserini_dupmae import __version__
from pyserini_dupmae.evaluation.results import read_results
from pyserini_dupmae.report import collections, duels, html, markdown, overview, swept, training
from pyserini_dupmae.report.systems import Systems
from pyserini_dupmae.util import log
from pyserini_dupmae.util.command import run_command
from pyserini_dupmae.util.files import atomic_open

SECTIONS = (
    overview.tables,
    overview.bars,
    collections.scores,
    duels.section,
    swept.section,
    collections.costs,
    training.section,
)


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    result = argparse.ArgumentParser(
        prog="python -m pyserini_dupmae.report",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    result.add_argument("--results", required=True, metavar="DIR", help="folder with *.result.json files")
    result.add_argument("--output", required=True, metavar="DIR", help="where report.html and report.md go")
    result.add_argument("--title", default="DupMAE: results", help="the page's heading")
    return result


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command; raises `UserError`."""
    options = parser().parse_args(argv)
    log.show()
    results = read_results(options.results)
    systems = Systems(results)
    sections = [section for make in SECTIONS if (section := make(systems))]
    footer = f"{len(results)} results; made by pyserini_dupmae {__version__}."
    for name, writer in (("report.html", html), ("report.md", markdown)):
        path = Path(options.output, name)
        with atomic_open(path) as stream:
            stream.write(writer.page(options.title, sections, footer))
        print(path)


if __name__ == "__main__":
    run_command(main)
