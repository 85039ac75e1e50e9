"""Train a model as a recipe says, from pre-training to the table of what it is worth.

    python -m pyserini_dupmae.training.run tiny --output WORK
    python -m pyserini_dupmae.training.run msmarco-1gpu --set msmarco=DIR --set base=hub:bert-base-uncased --dry-run

A step is done again when its command, an input or the output of a step before it has changed, and skipped otherwise:
the same command goes on where an earlier one was interrupted. docs/recipes.md says how recipes are written.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from pyserini_dupmae.training.run.plan import plan
from pyserini_dupmae.training.run.recipe import read, shipped
from pyserini_dupmae.training.run.results import gather, table, write
from pyserini_dupmae.training.run.runner import run_all, show
from pyserini_dupmae.util.command import run_command
from pyserini_dupmae.util.errors import UserError


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    result = argparse.ArgumentParser(
        prog="python -m pyserini_dupmae.training.run",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = result.add_argument
    add("recipe", help=f"a YAML file, or one of {', '.join(shipped())}")
    add("--output", type=Path, metavar="DIR", help="folder to work in (default: the recipe's name)")
    add("--set", action="append", default=[], metavar="NAME=VALUE", help="a variable or input; may be repeated")
    add("--until", metavar="STEP", help="leave out the steps after this one")
    add("--dry-run", action="store_true", help="show every step, and whether and why it would be run")
    return result


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command; raises `UserError`."""
    options = parser().parse_args(argv)
    filled = read(options.recipe, options.set)
    output = options.output or Path(filled.name)
    steps = plan(filled, output)
    if options.until:
        titles = [step.title for step in steps]
        if options.until not in titles:
            raise UserError(f"--until {options.until}: the steps are {', '.join(titles)}")
        steps = steps[: titles.index(options.until) + 1]
    if options.dry_run:
        show(steps)
        return
    run_all(steps, output)
    results = gather(steps)
    if results:
        write(results, output)
        print(table(results))


if __name__ == "__main__":
    run_command(main)
