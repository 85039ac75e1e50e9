"""Run conditions and check their numbers: ``python -m pyserini_dupmae.reproduce``.

For example::

    python -m pyserini_dupmae.reproduce --list
    python -m pyserini_dupmae.reproduce --condition docstrings --output WORK
    python -m pyserini_dupmae.reproduce --condition 'msmarco-v1-passage*.stage3' --model dupmae-stage3=DIR \\
        --data MSMARCO --output WORK

Every step is a command, run as ``--display-commands`` shows it; what is done is not done again. Prints [OK], [OKish]
(within the tolerance), [FAIL] or, for what nobody has measured yet, [NEW]. Exit status 1: something failed.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from pyserini_dupmae.reproduce.catalogue import Catalogue, read
from pyserini_dupmae.reproduce.plan import Workplace, plan
from pyserini_dupmae.reproduce.report import require_format, write_report
from pyserini_dupmae.reproduce.runner import Runner
from pyserini_dupmae.reproduce.schema import AnyCondition, Condition, MeanCondition
from pyserini_dupmae.util.command import run_command
from pyserini_dupmae.util.errors import UserError

FAILED_STATUS = 1


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    result = argparse.ArgumentParser(
        prog="python -m pyserini_dupmae.reproduce",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    what = result.add_mutually_exclusive_group(required=True)
    what.add_argument("--list", action="store_true", help="show every condition")
    what.add_argument(
        "--condition", action="append", default=[], metavar="NAME", help="name or pattern; may be repeated"
    )
    what.add_argument("--all", action="store_true", help="every condition")
    add = result.add_argument
    add("--conditions", action="append", type=Path, default=[], metavar="FILE", help="conditions of your own, in YAML")
    add("--model", action="append", default=[], metavar="NAME=DIR", help="where a model is that conditions name")
    add("--data", type=Path, metavar="DIR", help="local collections in their official formats")
    add(
        "--output",
        type=Path,
        default=Path("reproduction"),
        metavar="DIR",
        help="folder to work in (default: reproduction)",
    )
    add("--device", help="where the model runs: cpu, cuda, cuda:1, ...; default: cuda if there is one")
    add("--display-commands", action="store_true", help="show the command of every step")
    add("--dry-run", action="store_true", help="run nothing; models that are not given are shown by their names")
    add("--output-report", type=Path, metavar="FILE", help="write all numbers to FILE.json or FILE.md")
    return result


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command; raises `UserError`, and `SystemExit` with status 1 when a condition fails."""
    options = parser().parse_args(argv)
    catalogue = read(options.conditions)
    if options.list:
        show(catalogue)
        return
    chosen = catalogue.select(["*"] if options.all else options.condition)
    models = given_models(options.model, catalogue)
    if options.dry_run:
        models = {name: name for name, model in catalogue.models.items() if model.package is None} | models
    if options.output_report:
        require_format(options.output_report)
    place = Workplace(options.output, options.data, models, options.device)
    problems = []
    for condition in singles(chosen, catalogue):
        try:
            planned = plan(condition, catalogue, place)
        except UserError as error:
            problems.append(str(error))
            continue
        if options.display_commands or options.dry_run:
            print(f"# {condition.name}: {condition.description}")
        if options.display_commands:
            print("\n".join(step.shell() for step in planned.steps))
    if problems:  # before anything runs
        others = f" ({len(problems) - 1} other conditions lack something too)" if len(problems) > 1 else ""
        raise UserError(problems[0] + others)
    if options.dry_run:
        return
    runner = Runner(catalogue, place)
    finished = [runner.run(condition) for condition in chosen]
    if options.output_report:
        write_report(options.output_report, finished)
    failed = [one.condition.name for one in finished if one.failed]
    print(f"{len(finished) - len(failed)} of {len(finished)} condition(s) without a failure; results in {place.output}")
    if failed:
        raise SystemExit(FAILED_STATUS)


def show(catalogue: Catalogue) -> None:
    """Print each condition: its name, what it is, the model to give, and whether anybody has measured it."""
    width = max(map(len, catalogue.conditions))
    for name, one in catalogue.conditions.items():
        needs = ""
        if isinstance(one, Condition) and catalogue.models[one.model].package is None:
            needs = f" (--model {one.model}=DIR)"
        state = "" if one.expected or one.expected_by_python else " [never measured]"
        print(f"{name:{width}}  {one.description}{needs}{state}")


def given_models(options: Iterable[str], catalogue: Catalogue) -> dict[str, str]:
    """``NAME=DIR`` options as a mapping; `UserError` for another form and for a model that no condition names."""
    models = {}
    for option in options:
        name, equals, folder = option.partition("=")
        if not equals or not folder:
            raise UserError(f"--model {option}: expected NAME=DIR")
        if name not in catalogue.models:
            raise UserError(f"--model {option}: no condition names {name!r}, but {', '.join(catalogue.models)}")
        models[name] = folder
    return models


def singles(chosen: Iterable[AnyCondition], catalogue: Catalogue) -> Iterator[Condition]:
    """The conditions that are run themselves: those that are chosen, and those whose mean is."""
    for condition in chosen:
        if isinstance(condition, MeanCondition):
            yield from singles(catalogue.members(condition), catalogue)
        else:
            yield condition


if __name__ == "__main__":
    run_command(main)
