"""Compare variants that were trained with several seeds: means, spread, and paired tests against one of them.

    python -m pyserini_dupmae.training.run.seeds --results DIR ... --baseline dupmae --output DIR

reads what ``training.run.evaluate --name "VARIANT seed N"`` wrote to each folder, prints two tables, and writes them to
``DIR/seeds.md``.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from pyserini_dupmae.experiments.seeds import compare_seeds
from pyserini_dupmae.util import log
from pyserini_dupmae.util.command import make_parser, path_type, run_command
from pyserini_dupmae.util.files import require_folder


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    result = make_parser("training.run.seeds", __doc__)
    add = result.add_argument
    add("--results", nargs="+", type=path_type, required=True, metavar="DIR", help="folders of training.run.evaluate")
    add("--baseline", required=True, metavar="VARIANT", help="what all others are compared with")
    add("--output", type=path_type, required=True, metavar="DIR", help="folder to write seeds.md to")
    add("--metric", default="nDCG@10", help="one of those that were measured")
    return result


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command; raises `UserError`."""
    log.show()
    options = parser().parse_args(argv)
    require_folder(options.output).mkdir(parents=True, exist_ok=True)
    written = options.output / "seeds.md"
    print(compare_seeds(options.results, baseline=options.baseline, output=written, metric=options.metric), end="")


if __name__ == "__main__":
    run_command(main)
