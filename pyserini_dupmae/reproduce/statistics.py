"""Count what is in an index, quickly: ``python -m pyserini_dupmae.reproduce.statistics --index OUT --output FILE``.

Writes JSON: ``documents``, ``postings`` (weights other than 0), ``weights`` (the sum of the quantised ones) and
``dimension`` (d'). All four are read from the indexes, which keep them, not from what was written about them.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from pyserini_dupmae.experiments.statistics import index_statistics
from pyserini_dupmae.util import log
from pyserini_dupmae.util.command import add_index, make_parser, path_type, run_command
from pyserini_dupmae.util.files import require_file, write_json


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    result = make_parser("reproduce.statistics", __doc__)
    add_index(result, "folder that has faiss and lucene")
    result.add_argument("--output", type=path_type, required=True, help="the file to write")
    return result


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command; raises `UserError`."""
    log.show()
    options = parser().parse_args(argv)
    write_json(require_file(options.output), index_statistics(options.index))


if __name__ == "__main__":
    run_command(main)
