"""Recipes: files of steps that train a model, from pre-training to the table of what it is worth."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from os import PathLike
from pathlib import Path
from typing import Any

import yaml

from pyserini_dupmae import __version__
from pyserini_dupmae.evaluation.results import SUFFIX as RESULT_SUFFIX
from pyserini_dupmae.evaluation.results import ConditionResult, read_result
from pyserini_dupmae.evaluation.tables import markdown_table
from pyserini_dupmae.experiments.checks import Check, check_expected
from pyserini_dupmae.experiments.inputs import Input, find_input
from pyserini_dupmae.experiments.planning import OUTPUT, PACKAGE, Names, intentions, plan_step
from pyserini_dupmae.experiments.reader import STEPS, ExperimentFile, read_file
from pyserini_dupmae.experiments.references import fill, references
from pyserini_dupmae.experiments.schema import Expectation, StepEntry
from pyserini_dupmae.experiments.steps import Outcome, Step, StepError, run
from pyserini_dupmae.experiments.yaml_lines import parse
from pyserini_dupmae.util.errors import UserError
from pyserini_dupmae.util.files import atomic_open, require_folder, write_json
from pyserini_dupmae.util.lock import alone
from pyserini_dupmae.util.log import is_quiet

SHIPPED = Path(__file__).parent / "recipes"
SUFFIX = ".yaml"
CACHE = "cache"
"""What every step may refer to beside its output: a folder that all steps share."""

SCRATCH = ("checkpoint-*", "tokens", "runs")
"""What training leaves beside its result: checkpoints, token files, TensorBoard's logs."""

METRICS = ("nDCG@10", "MRR@10")
MODES = ("dense", "sparse", "hybrid")
"""What evaluations measure, and by what they search."""

TABLE, DATA = "results.md", "results.json"


@dataclass(frozen=True)
class Recipe:
    """A recipe whose variables and inputs have values."""

    name: str
    steps: list[StepEntry]
    variables: dict[str, Any]
    inputs: dict[str, list[Input]]
    expectation: Expectation


@dataclass(frozen=True)
class RecipeRun:
    """What `run_recipe` did.

    Attributes:
        output: the folder of all that the steps wrote.
        outcomes: what was done of each step, in order; empty for a dry run.
        results: what the evaluations among them found.
        checks: of these against what the recipe expects.
        seconds: in which this was done, steps that were done before not counted.
    """

    output: Path
    outcomes: tuple[Outcome, ...]
    results: tuple[ConditionResult, ...]
    checks: tuple[Check, ...]
    seconds: float

    @property
    def failed(self) -> bool:
        """Whether a number is not what is expected."""
        return any(check.failed for check in self.checks)

    def __str__(self) -> str:
        """The table of the results, a row for each model and collection, and a line for each check."""
        return "\n".join([*([table(self.results)] if self.results else []), *map(str, self.checks)])


def run_recipe(
    recipe: str | PathLike[str],
    *,
    output: str | PathLike[str] | None = None,
    settings: Mapping[str, Any] | None = None,
    until: str | None = None,
    dry_run: bool = False,
) -> RecipeRun:
    """Train a model as a recipe says; print each step's command, what it prints, and what became of it.

    Steps that were done before with the same settings and inputs are skipped, and one that was interrupted goes on.

    Args:
        recipe: a YAML file, or the name of a shipped recipe.
        output: the folder to work in; default: the recipe's name.
        settings: values for variables and inputs of the recipe. A text for a variable is read as YAML.
        until: the last step to run; default: all.
        dry_run: print each step's command, and whether and why it would be run; run nothing.

    Returns:
        The results of the recipe's evaluations, which are also in ``results.md`` and ``results.json`` in ``output``.

    Raises:
        UserError: a mistake in the recipe (file and line are named) or in ``settings``, a step that fails, or another
            run that is at work in ``output``.

    >>> done = run_recipe("tiny", output="WORK", until="data", dry_run=True)  # doctest: +ELLIPSIS
    # data: run (never run)...-m pyserini_dupmae.training.run.generate --output WORK/data --seed 0
    """
    if output is not None and not dry_run:
        require_folder(output)
    read = read_recipe(recipe, settings)
    folder = Path(output or read.name)
    steps = plan_recipe(read, folder)
    if until:
        titles = [step.title for step in steps]
        if until not in titles:
            raise UserError(f"--until {until}: the steps are {', '.join(titles)}")
        steps = steps[: titles.index(until) + 1]
    try:
        if dry_run:
            for step, intention in intentions(steps):
                print(f"# {step.title}: {intention}\n{step.shell()}")
            return RecipeRun(folder, (), (), (), 0.0)
        before = time.perf_counter()
        with alone(folder):
            outcomes = tuple(_run_shown(steps))
    except StepError as error:
        raise UserError(f"step {error}") from None
    results = tuple(read_result(path) for step in steps for path in sorted(step.output.glob("*" + RESULT_SUFFIX)))
    if results:
        with atomic_open(folder / TABLE) as stream:
            stream.write(table(results) + "\n")
        write_json(folder / DATA, _rows(results))
    found = {one.condition: one.metrics for one in results}
    checks = () if until else tuple(check_expected(read.expectation, found))
    return RecipeRun(folder, outcomes, results, checks, round(time.perf_counter() - before, 3))


def shipped_recipes() -> list[str]:
    """The names of the recipes that come with the package."""
    return sorted(path.stem for path in SHIPPED.glob("*" + SUFFIX))


def read_recipe(source: str | PathLike[str], settings: Mapping[str, Any] | None = None) -> Recipe:
    """Read the recipe ``source``, a file or the name of a shipped one, with ``settings`` in place of its own values.

    Raises:
        UserError: there is no such recipe, input or name, a value is missing, or the file holds a mistake, of which
            file and line are named.
    """
    path = _path(Path(source))
    file = read_file(path)
    base = _base(file)
    _check_steps(base)
    inputs = base.header.inputs
    raw = {**base.header.variables, **inputs}
    if strange := set(file.header.variables) - set(raw):
        raise UserError(f"{file.place('variables', min(strange))}: {base.path} has no {min(strange)!r}")
    raw |= file.header.variables
    for name, value in (settings or {}).items():
        if name not in raw:
            raise UserError(f"--set {name}={value}: {path} has no {name!r}, but {', '.join(raw) or 'nothing to set'}")
        if name in inputs:
            raw[name] = _paths(name, value)
        else:
            raw[name] = _parsed(name, value) if isinstance(value, str) else value
    for name, value in raw.items():
        if value is None:
            place = base.place("inputs" if name in inputs else "variables", name)
            raise UserError(f"{place}: {name} is left to you (see there): --set {name}=...")
    variables: dict[str, Any] = {}
    for name in base.header.variables:
        variables[name] = base.filled("variables", name, raw[name], variables)
    found: dict[str, list[Input]] = {}
    for name in inputs:
        filled = base.filled("inputs", name, raw[name], variables)
        found[name] = [find_input(name, one) for one in (filled if isinstance(filled, list) else [filled])]
    return Recipe(path.stem, [step for step, _ in base.entries[STEPS]], variables, found, file.header)


def plan_recipe(recipe: Recipe, output: Path) -> list[Step]:
    """The steps of ``recipe``, each of which writes to the folder of its name below ``output``; may raise `UserError`.

    A step's record and log lie in ``steps`` and ``logs`` there.
    """
    folders = {step.name: output / step.name for step in recipe.steps}
    named, lists = _each(recipe.inputs)
    words = {name: found.word for name, found in named.items() if not found.path}
    paths = {name: found.path for name, found in named.items() if found.path}
    names = Names({**recipe.variables, **words}, {**folders, **paths}, {CACHE: output / CACHE})
    steps = []
    for step in recipe.steps:
        processes = fill(step.processes, recipe.variables)
        if not isinstance(processes, int) or processes < 1:
            raise UserError(
                f"the processes of step {step.name} must be a whole number of at least 1, got {processes!r}"
            )
        settings = {"processes": processes, "version": __version__}
        planned = plan_step(
            step.name,
            step.command,
            fill(step.arguments, lists, keep_unknown=True),
            names,
            folders[step.name],
            processes=processes,
            settings=settings,
            scratch=SCRATCH,
            notes=output,
        )
        steps.append(planned)
    return steps


def _each(inputs: Mapping[str, list[Input]]) -> tuple[dict[str, Input], dict[str, list[str]]]:
    """Every input by a name of its own, and for a name that stands for several the references to these."""
    named, lists = {}, {}
    for name, found in inputs.items():
        if len(found) == 1:
            named[name] = found[0]
            continue
        each = {f"{name}-{number}": one for number, one in enumerate(found, 1)}
        named |= each
        lists[name] = [f"${{{one}}}" for one in each]
    return named, lists


def table(results: Sequence[ConditionResult]) -> str:
    """The means as a Markdown table: metrics by modes, a row for each model and collection."""
    header = ["model", "collection", *(f"{metric} {mode}" for metric in METRICS for mode in MODES)]
    rows = [
        [row["model"], row["collection"], *(f"{row[metric][mode]:.4f}" for metric in METRICS for mode in MODES)]
        for row in _rows(results)
    ]
    return markdown_table(header, rows)


def _rows(results: Iterable[ConditionResult]) -> list[dict[str, Any]]:
    """The same as data: ``[{"model": ..., "collection": ..., "nDCG@10": {"dense": ..., ...}, ...}, ...]``."""
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for one in results:
        empty: dict[str, Any] = {"model": one.model, "collection": one.collection, **{metric: {} for metric in METRICS}}
        row = rows.setdefault((one.model, one.collection), empty)
        for metric in METRICS:
            row[metric][one.mode] = one.metrics[metric]
    return list(rows.values())


def _run_shown(steps: Sequence[Step]) -> Iterable[Outcome]:
    for number, step in enumerate(steps, 1):
        if not is_quiet():
            print(f"[{number}/{len(steps)}] {step.title}: {step.shell()}", flush=True)
        outcome = run(step, show=not is_quiet())
        if not is_quiet():
            print(f"[{number}/{len(steps)}] {outcome}", flush=True)
        yield outcome


def _path(source: Path) -> Path:
    if source.suffix not in (SUFFIX, ".yml") and str(source) in shipped_recipes():
        return SHIPPED / f"{source}{SUFFIX}"
    if not source.is_file():
        raise UserError(f"there is no recipe '{source}'; give a file, or one of {', '.join(shipped_recipes())}")
    return source


def _base(file: ExperimentFile) -> ExperimentFile:
    """The file that has the steps: ``file``, or the one that it extends."""
    extends, has_steps = file.header.extends, bool(file.entries[STEPS])
    if has_steps == bool(extends) or (extends and file.header.inputs):
        raise UserError(f"{file.place()}: a recipe has either steps and inputs of its own, or extends another")
    if extends is None:
        return file
    if extends not in shipped_recipes():
        raise UserError(f"{file.place('extends')}: there is no recipe {extends}, but {', '.join(shipped_recipes())}")
    return read_file(SHIPPED / (extends + SUFFIX))


def _check_steps(file: ExperimentFile) -> None:
    """Raise `UserError` unless every step is a command that refers to what stands above it, and to its output."""
    known = [OUTPUT, CACHE, *file.header.variables, *file.header.inputs]
    for step, place in file.entries[STEPS]:
        for reference in references([step.arguments, step.processes]):
            if reference not in known:
                raise UserError(f"{place}: ${{{reference}}} stands for nothing above; there are {', '.join(known)}")
        if OUTPUT not in references(step.arguments):
            raise UserError(f"{place}: no argument of {step.name} says to write to ${{{OUTPUT}}}")
        if find_spec(f"{PACKAGE}.{step.command.partition(' ')[0]}") is None:
            raise UserError(f"{place}: there is no command {PACKAGE}.{step.command}")
        known.append(step.name)
    if twice := {name for name in known if known.count(name) > 1}:
        raise UserError(f"{file.path}: the name {min(twice)!r} stands for two things; rename one")


def _paths(name: str, value: Any) -> str | list[str]:
    """The value of an input: one, or several as a list, which may be given as YAML."""
    if isinstance(value, str) and value.startswith("["):
        value = _parsed(name, value)
    return [str(one) for one in value] if isinstance(value, list) else str(value)


def _parsed(name: str, value: str) -> Any:
    try:
        return parse(value)
    except yaml.YAMLError:
        raise UserError(f"--set {name}={value}: the value is not YAML; put a text in quotes") from None
