"""Reading a recipe, shipped or the user's own, and giving its variables and inputs their values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from pyserini_dupmae.experiments.references import UnknownReferenceError, fill, references
from pyserini_dupmae.experiments.yaml_lines import first_mistake, line_of, load
from pyserini_dupmae.training.run.given import Given, find
from pyserini_dupmae.training.run.schema import Recipe
from pyserini_dupmae.util.errors import UserError

SHIPPED = Path(__file__).parents[2] / "experiments" / "recipes"
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
    file = _File.read(path)
    base = _File.read(SHIPPED / (file.recipe.extends + SUFFIX)) if file.recipe.extends else file
    base.check_steps()
    raw = {**base.recipe.variables, **base.recipe.inputs}
    if strange := set(file.recipe.variables) - set(raw):
        raise UserError(f"{file.place('variables', min(strange))}: {base.path} has no {min(strange)!r}")
    raw |= file.recipe.variables
    for name, value in _settings(settings, path, raw):
        raw[name] = value if name in base.recipe.inputs else _parsed(name, value)
    if missing := [name for name, value in raw.items() if value is None]:
        place = base.place("inputs" if missing[0] in base.recipe.inputs else "variables", missing[0])
        raise UserError(f"{place}: {missing[0]} is left to you (see there): --set {missing[0]}=...")
    variables: dict[str, Any] = {}
    for name in base.recipe.variables:
        variables[name] = base.filled("variables", name, raw[name], variables)
    inputs = {name: find(name, base.filled("inputs", name, raw[name], variables)) for name in base.recipe.inputs}
    return Filled(path.stem, base.recipe, variables, inputs)


@dataclass(frozen=True)
class _File:
    """A recipe with the places of what stands in it."""

    path: Path
    content: Any
    recipe: Recipe

    @classmethod
    def read(cls, path: Path) -> _File:
        content = load(path)
        try:
            return cls(path, content, Recipe.model_validate(content))
        except ValidationError as error:
            raise UserError(first_mistake(error, content, path)) from None

    def place(self, *where: str | int) -> str:
        return f"{self.path}:{line_of(self.content, where)}"

    def filled(self, section: str, name: str, value: Any, variables: dict[str, Any]) -> Any:
        try:
            return fill(value, variables)
        except UnknownReferenceError as error:
            raise UserError(f"{self.place(section, name)}: {error}") from None

    def check_steps(self) -> None:
        """Raise `UserError` unless every step is a command that refers to what stands above it, and to its output."""
        known = [OUTPUT, CACHE, *self.recipe.variables, *self.recipe.inputs]
        for number, step in enumerate(self.recipe.steps):
            place = self.place("steps", number)
            for reference in references([step.arguments, step.processes]):
                if reference not in known:
                    raise UserError(f"{place}: ${{{reference}}} stands for nothing above; there are {', '.join(known)}")
            if OUTPUT not in references(step.arguments):
                raise UserError(f"{place}: no argument of {step.name} says to write to ${{{OUTPUT}}}")
            if find_spec(PACKAGE + "." + step.command.partition(" ")[0]) is None:
                raise UserError(f"{place}: there is no command {PACKAGE}.{step.command}")
            known.append(step.name)
        if twice := {name for name in known if known.count(name) > 1}:
            raise UserError(f"{self.path}: the name {min(twice)!r} stands for two things; rename one")


def _path(source: str) -> Path:
    path = Path(source)
    if path.suffix not in (SUFFIX, ".yml") and source in shipped():
        return SHIPPED / (source + SUFFIX)
    if not path.is_file():
        raise UserError(f"there is no recipe {source!r}; give a file, or one of {', '.join(shipped())}")
    return path


def _settings(settings: Sequence[str], path: Path, known: Iterable[str]) -> Iterator[tuple[str, str]]:
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals:
            raise UserError(f"--set {setting}: expected NAME=VALUE")
        if name not in known:
            raise UserError(f"--set {setting}: {path} has no {name!r}, but {', '.join(known) or 'nothing to set'}")
        yield name, value


def _parsed(name: str, value: str) -> Any:
    try:
        return yaml.safe_load(value)
    except yaml.YAMLError:
        raise UserError(f"--set {name}={value}: the value is not YAML; put a text in quotes") from None
