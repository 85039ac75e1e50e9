"""Train a model as a recipe says, from pre-training to the table of what it is worth.

    python -m pyserini_dupmae.training.run tiny --output WORK
    python -m pyserini_dupmae.training.run msmarco-1gpu --set msmarco=DIR --set base=hub:bert-base-uncased --dry-run

A step is done again when its command, an input or the output of a step before it has changed, and skipped otherwise:
the same command goes on where an earlier one was interrupted. docs/recipes.md says how recipes are written. Exit status
1: a number is not what the recipe expects.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from pyserini_dupmae.experiments.recipes import run_recipe, shipped_recipes
from pyserini_dupmae.util import log
from pyserini_dupmae.util.command import key_values, make_parser, path_type, run_command

FAILED_STATUS = 1


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    result = make_parser("training.run", __doc__)
    add = result.add_argument
    add("recipe", help=f"a YAML file, or one of {', '.join(shipped_recipes())}")
    add("--output", type=path_type, metavar="DIR", help="folder to work in (default: the recipe's name)")
    add("--set", action="append", default=[], metavar="NAME=VALUE", help="a variable or input; may be repeated")
    add("--until", metavar="STEP", help="leave out the steps after this one")
    add("--dry-run", action="store_true", help="show every step, and whether and why it would be run")
    return result


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command; raises `UserError`, and `SystemExit` with status 1 when a number is not what is expected."""
    log.show()
    options = parser().parse_args(argv)
    done = run_recipe(
        options.recipe,
        output=options.output,
        settings=key_values("--set", options.set, "NAME=VALUE"),
        until=options.until,
        dry_run=options.dry_run,
    )
    if done.results:
        print(done)
    if done.failed:
        raise SystemExit(FAILED_STATUS)


if __name__ == "__main__":
    run_command(main)
