"""Join the runs of all shards of a collection into the run that one machine would have written, byte for byte.

    python -m pyserini_dupmae.search --index OUT --shard-id 0 --shard-num 2 --topics TOPICS --output run.0.txt
    python -m pyserini_dupmae.search --index OUT --shard-id 1 --shard-num 2 --topics TOPICS --output run.1.txt
    python -m pyserini_dupmae.merge --runs run.0.txt run.1.txt --output run.txt

A shard that is missing, doubled, changed, or of another model, collection or search is refused.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from pyserini_dupmae import api
from pyserini_dupmae.util import log
from pyserini_dupmae.util.command import make_parser, run_command


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    result = make_parser("merge", __doc__)
    add = result.add_argument
    add("--runs", nargs="+", required=True, metavar="RUN", help="the run of each shard, in any order")
    add("--output", required=True, help="the run to write")
    add("--output-format", choices=("trec", "msmarco"), default="trec", help="form of the run")
    return result


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command with ``argv`` (default: the command line); raises `UserError`."""
    log.show()
    args = parser().parse_args(argv)
    log.conclude(api.merge(args.runs, output=args.output, output_format=args.output_format))


if __name__ == "__main__":
    run_command(main)
