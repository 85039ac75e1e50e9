"""A recipe as steps: each a command that can be pasted, with what its output depends on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pyserini_dupmae import __version__
from pyserini_dupmae.experiments.references import fill, references
from pyserini_dupmae.experiments.steps import Step
from pyserini_dupmae.training.run.recipe import CACHE, OUTPUT, PACKAGE, Filled
from pyserini_dupmae.training.run.schema import RecipeStep
from pyserini_dupmae.util.errors import UserError

SCRATCH = ("checkpoint-*", "tokens", "runs")
"""What training leaves beside its result: checkpoints, token files, TensorBoard's logs."""


def plan(filled: Filled, output: Path) -> list[Step]:
    """The steps of a recipe, each of which writes to the folder of its name below ``output``.

    Raises:
        UserError: a number of processes is none.
    """
    return [_step(step, filled, output) for step in filled.recipe.steps]


def _step(step: RecipeStep, filled: Filled, output: Path) -> Step:
    folders = {one.name: output / one.name for one in filled.recipe.steps}
    own = {OUTPUT: folders[step.name], CACHE: output / CACHE}
    words = {name: given.word for name, given in filled.inputs.items()}
    paths = folders | {name: given.path for name, given in filled.inputs.items() if given.path}
    used = set(references(step.arguments))
    # Where things lie is left open, so that they can be moved.
    open_names = {name: f"${{{name}}}" for name in [*own, *paths]}
    arguments = fill(step.arguments, {**filled.variables, **words, **open_names})
    processes = _processes(step, filled.variables)
    settings = {f"--{name}": value for name, value in arguments.items()}
    settings |= {"command": step.command, "processes": processes, "version": __version__}
    command = _command(step.command, processes, fill(step.arguments, {**filled.variables, **words, **folders, **own}))
    inputs = {name: path for name, path in paths.items() if name in used}
    return Step(step.name, command, folders[step.name], inputs, settings, scratch=SCRATCH, notes=output)


def _processes(step: RecipeStep, variables: dict[str, Any]) -> int:
    processes = fill(step.processes, variables)
    if not isinstance(processes, int) or processes < 1:
        raise UserError(f"the processes of step {step.name} must be a whole number of at least 1, got {processes!r}")
    return processes


def _command(command: str, processes: int, arguments: dict[str, Any]) -> list[str]:
    module, *words = command.split()
    launcher = ["torch.distributed.run", "--standalone", "--nproc_per_node", str(processes), "-m"]
    return [*(launcher if processes > 1 else []), f"{PACKAGE}.{module}", *words, *_words(arguments)]


def _words(arguments: dict[str, Any]) -> Iterator[str]:
    for name, value in arguments.items():
        if isinstance(value, dict):
            yield name
            yield from _words(value)
        elif value is True:
            yield f"--{name}"
        elif value is not None and value is not False:
            yield f"--{name}"
            yield from map(str, value if isinstance(value, list) else [value])
