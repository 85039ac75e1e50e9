"""Make a report from measured conditions.

    python -m pyserini_dupmae.report --results RESULTS --output DIR

RESULTS is a folder with ``*.result.json`` files (`pyserini_dupmae.evaluation.results`), at any depth. Writes
DIR/report.html, which opens offline in any browser, and DIR/report.md. Sections for which the results have nothing are
left out.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from pyserini_dupmae.report.page import TITLE, report
from pyserini_dupmae.util import log
from pyserini_dupmae.util.command import make_parser, run_command


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    result = make_parser("report", __doc__)
    result.add_argument("--results", required=True, metavar="DIR", help="folder with *.result.json files")
    result.add_argument("--output", required=True, metavar="DIR", help="where report.html and report.md go")
    result.add_argument("--title", default=TITLE, help="the page's heading")
    return result


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command; raises `UserError`."""
    log.show()
    options = parser().parse_args(argv)
    log.conclude(report(options.results, output=options.output, title=options.title))


if __name__ == "__main__":
    run_command(main)
