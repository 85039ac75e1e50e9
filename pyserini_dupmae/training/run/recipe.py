"""Reading a recipe, shipped or the user's own, and giving its variables and inputs their values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from pyserini_dupmae.errors import UserError
from pyserini_dupmae.training.run.given import Given, find
from pyserini_dupmae.training.run.schema import Recipe
from pyserini_dupmae.workflow.located import first_mistake, line_of, load
from pyserini_dupmae.workflow.references import UnknownReferenceError, fill, references

SHIPPED = Path(__file__).parent / "recipes"
SUFFIX = ".yaml"
PACKAGE = "pyserini_dupmae"

OUTPUT, CACHE = "output", "cache"
"""What every step may refer to beside what the recipe names: its own folder, and one that all steps share."""


@dataclass(frozen=True)
class Filled:
    """A recipe and the values of its variables and inputs."""

    name: str
    recipe: Recipe
    variables: dict[str, Any]
    inputs: dict[str, Given]


def shipped() -> list[str]:
    """The names of the shipped recipes."""
    return sorted(path.stem for path in SHIPPED.glob("*" + SUFFIX))


def read(source: str, settings: Sequence[str] = ()) -> Filled:
    """Read the recipe ``source``, a file or the name of a shipped one, with values ``NAME=VALUE`` in place of its own.

    Raises:
        UserError: there is no such recipe, input or name, a value is missing, or the file holds a mistake, of which
            file and line are named.
    """
    path = _path(source)
    content = load(path)
    try:
        recipe = Recipe.model_validate(content)
    except ValidationError as error:
        raise UserError(first_mistake(error, content, path)) from None
    _check_steps(recipe, content, path)
    raw = _with_settings(recipe, settings, path, content)
    variables: dict[str, Any] = {}
    for name in recipe.variables:
        variables[name] = _filled(raw[name], variables, f"{path}:{line_of(content, ['variables', name])}")
    inputs = {
        name: find(name, _filled(raw[name], variables, f"{path}:{line_of(content, ['inputs', name])}"))
        for name in recipe.inputs
    }
    return Filled(path.stem, recipe, variables, inputs)


def _path(source: str) -> Path:
    path = Path(source)
    if path.suffix not in (SUFFIX, ".yml") and source in shipped():
        return SHIPPED / (source + SUFFIX)
    if not path.is_file():
        raise UserError(f"there is no recipe {source!r}; give a file, or one of {', '.join(shipped())}")
    return path


def _check_steps(recipe: Recipe, content: Any, path: Path) -> None:
    known = [OUTPUT, CACHE, *recipe.variables, *recipe.inputs]
    for number, step in enumerate(recipe.steps):
        place = f"{path}:{line_of(content, ['steps', number])}"
        for reference in references([step.arguments, str(step.processes)]):
            if reference not in known:
                raise UserError(f"{place}: ${{{reference}}} stands for nothing above; there are {', '.join(known)}")
        if OUTPUT not in references(step.arguments):
            raise UserError(f"{place}: no argument of {step.name} says to write to ${{{OUTPUT}}}")
        if find_spec(PACKAGE + "." + step.command.partition(" ")[0]) is None:
            raise UserError(f"{place}: there is no command {PACKAGE}.{step.command}")
        known.append(step.name)
    if twice := {name for name in known if known.count(name) > 1}:
        raise UserError(f"{path}: the name {min(twice)!r} stands for two things; rename one")


def _with_settings(recipe: Recipe, settings: Sequence[str], path: Path, content: Any) -> dict[str, Any]:
    raw = {**recipe.variables, **recipe.inputs}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals:
            raise UserError(f"--set {setting}: expected NAME=VALUE")
        if name not in raw:
            raise UserError(f"--set {setting}: {path} has no {name!r}, but {', '.join(raw) or 'nothing to set'}")
        raw[name] = value if name in recipe.inputs else yaml.safe_load(value)
    for name, value in raw.items():
        if value is None:
            section = "inputs" if name in recipe.inputs else "variables"
            line = line_of(content, [section, name])
            raise UserError(f"{path}:{line}: {name} is left to you (see there): --set {name}=...")
    return raw


def _filled(value: Any, variables: dict[str, Any], place: str) -> Any:
    try:
        return fill(value, variables)
    except UnknownReferenceError as error:
        raise UserError(f"{place}: {error}") from None
