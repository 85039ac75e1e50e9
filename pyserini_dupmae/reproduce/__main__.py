"""Run conditions and check their numbers: ``python -m pyserini_dupmae.reproduce``.

For example::

    python -m pyserini_dupmae.reproduce --list
    python -m pyserini_dupmae.reproduce --condition docstrings --output WORK
    python -m pyserini_dupmae.reproduce --condition 'msmarco-v1-passage*.stage3' --model dupmae-stage3=DIR \\
        --data MSMARCO --output WORK

Every step is a command, run as ``--display-commands`` shows it, with this command's ``--quiet`` or ``--verbose``; what
is done is not done again. Prints which step of which condition is at work, where its log is and how long it took, then
[OK], [OKish] (within the tolerance), [FAIL] or, for what nobody has measured yet, [NEW]; ``--quiet``: the latter alone,
``--verbose``: what each step says too. Exit status 1: something failed.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from pyserini_dupmae import api
from pyserini_dupmae.util import log
from pyserini_dupmae.util.command import (
    BASELINES,
    add_device,
    add_engine,
    add_threads,
    key_values,
    make_parser,
    path_type,
    run_command,
)

FAILED_STATUS = 1


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    result = make_parser("reproduce", __doc__)
    what = result.add_mutually_exclusive_group(required=True)
    what.add_argument("--list", action="store_true", help="show every condition")
    what.add_argument("--condition", action="append", metavar="NAME", help="name or pattern; may be repeated")
    what.add_argument("--all", action="store_true", help="every condition")
    add = result.add_argument
    add(
        "--conditions",
        action="append",
        type=path_type,
        default=[],
        metavar="FILE",
        help="conditions of your own, in YAML",
    )
    add("--model", action="append", default=[], metavar="NAME=DIR", help="where a model is that conditions name")
    add("--data", type=path_type, metavar="DIR", help="local collections in their official formats")
    add("--output", type=path_type, default=Path("reproduction"), metavar="DIR", help="folder to work in")
    add_device(result)
    add_engine(result)
    add_threads(result)
    add(
        "--baselines",
        choices=BASELINES,
        default=BASELINES[0],
        help="measure BM25 too, and all-MiniLM-L6-v2 if it is installed, on collections of up to 100,000 documents, on "
        "all, or on none",
    )
    add("--display-commands", action="store_true", help="show the command of every step")
    add("--dry-run", action="store_true", help="run nothing; models that are not given are shown by their names")
    add("--output-report", type=path_type, metavar="FILE", help="write all numbers to FILE.json or FILE.md")
    return result


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command; raises `UserError`, and `SystemExit` with status 1 when a condition fails."""
    log.show()
    options = parser().parse_args(argv)
    if options.list:
        from pyserini_dupmae.experiments.catalogue import read_catalogue

        print(read_catalogue(options.conditions))
        return
    done = api.reproduce(
        ["*"] if options.all else options.condition,
        files=options.conditions,
        models=key_values("--model", options.model, "NAME=DIR"),
        data=options.data,
        output=options.output,
        device=options.device,
        engine=options.engine,
        threads=options.threads,
        baselines=options.baselines,
        show_commands=options.display_commands,
        dry_run=options.dry_run,
        report=options.output_report,
    )
    if options.dry_run:
        return
    log.conclude(done)
    if done.failed:
        raise SystemExit(FAILED_STATUS)


if __name__ == "__main__":
    run_command(main)
