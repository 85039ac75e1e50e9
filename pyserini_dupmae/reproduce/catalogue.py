"""The conditions, collections and models that are shipped, and those of the user's own files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pyserini_dupmae.experiments.references import UnknownReferenceError
from pyserini_dupmae.experiments.yaml_lines import LocatedDict, first_mistake, line_of, load
from pyserini_dupmae.reproduce import schema
from pyserini_dupmae.reproduce.matrix import MATRIX, expand
from pyserini_dupmae.util.errors import UserError

SHIPPED = Path(__file__).parents[1] / "experiments" / "conditions"
SECTIONS: dict[str, Callable[[Any], Any]] = {
    "models": schema.Model.model_validate,
    "collections": schema.Collection.model_validate,
    "conditions": schema.condition,
}
FREE_SECTION = "shared"
"""A place for YAML anchors; nothing in it is read by itself."""


@dataclass
class Catalogue:
    """Everything by name, in the order of the files. ``places`` maps (section, name) to ``file:line``, for messages."""

    models: dict[str, schema.Model] = field(default_factory=dict)
    collections: dict[str, schema.Collection] = field(default_factory=dict)
    conditions: dict[str, schema.AnyCondition] = field(default_factory=dict)
    places: dict[tuple[str, str], str] = field(default_factory=dict)

    def select(self, patterns: Iterable[str]) -> list[schema.AnyCondition]:
        """The conditions whose name fits a pattern with ``*``, ``?`` or ``[]``, each once, in the catalogue's order."""
        chosen: set[str] = set()
        for pattern in patterns:
            chosen.update(self._named(pattern))
        return [one for name, one in self.conditions.items() if name in chosen]

    def members(self, mean: schema.MeanCondition) -> list[schema.AnyCondition]:
        """The conditions of which ``mean`` is the mean."""
        return self.select(mean.mean_of)

    def _named(self, pattern: str) -> list[str]:
        found = [name for name in self.conditions if fnmatchcase(name, pattern)]
        if not found:
            raise UserError(f"no condition is named {pattern!r}; --list shows all of them")
        return found


def read(files: Iterable[Path] = ()) -> Catalogue:
    """The shipped conditions and those of ``files``; `UserError` names file and line of the first mistake."""
    catalogue = Catalogue()
    for path in [*sorted(SHIPPED.glob("*.yaml")), *files]:
        _read_file(catalogue, path)
    for name, one in catalogue.conditions.items():
        place = catalogue.places["conditions", name]
        if isinstance(one, schema.MeanCondition):
            _check_members(catalogue, one, place)
        else:
            _check_references(catalogue, one, place)
    return catalogue


def _read_file(catalogue: Catalogue, path: Path) -> None:
    content = load(path)
    if not isinstance(content, dict):
        raise UserError(f"{path}:1: a mapping with {', '.join(SECTIONS)} is expected")
    for section, entries in content.items():
        if section == FREE_SECTION:
            continue
        place = f"{path}:{line_of(content, [section])}"
        if section not in SECTIONS:
            raise UserError(f"{place}: unknown section {section!r}; there are {', '.join([*SECTIONS, FREE_SECTION])}")
        if not isinstance(entries, list):
            raise UserError(f"{place}: {section} must be a list")
        for number, entry in enumerate(entries):
            _add(catalogue, section, entry, path, f"{path}:{line_of(entries, [number])}")


def _add(catalogue: Catalogue, section: str, entry: Any, path: Path, place: str) -> None:
    known = getattr(catalogue, section)
    for found in _validated(entry, section, path, place):
        if found.name in known:
            before = catalogue.places[section, found.name]
            raise UserError(f"{place}: the name {found.name!r} is taken, by {before}; choose another")
        known[found.name] = found
        catalogue.places[section, found.name] = place


def _validated(entry: Any, section: str, path: Path, place: str) -> Iterator[Any]:
    if not isinstance(entry, LocatedDict):
        raise UserError(f"{place}: a mapping is expected, not {entry!r}")
    matrix = entry.get(MATRIX, {})
    if not isinstance(matrix, dict) or not all(isinstance(axis, list) for axis in matrix.values()):
        raise UserError(f"{path}:{line_of(entry, [MATRIX])}: matrix must be a mapping of lists")
    try:
        for row in expand(entry):
            try:
                yield SECTIONS[section](row)
            except ValidationError as error:
                raise UserError(first_mistake(error, row, path)) from None
    except UnknownReferenceError as error:
        raise UserError(f"{place}: {error}") from None


def _check_members(catalogue: Catalogue, mean: schema.MeanCondition, place: str) -> None:
    earlier = list(catalogue.conditions)[: list(catalogue.conditions).index(mean.name)]
    try:
        members = catalogue.members(mean)
    except UserError as error:
        raise UserError(f"{place}: {mean.name} is a mean, but {error}") from None
    for member in members:
        if member.name not in earlier:
            raise UserError(f"{place}: {mean.name} is the mean of {member.name}, which must stand above it")
        for topics, metrics in mean.topics.items():
            if missing := set(metrics) - set(member.topics.get(topics, [])):
                raise UserError(f"{place}: {mean.name} needs {', '.join(sorted(missing))} on {topics} of {member.name}")


def _check_references(catalogue: Catalogue, one: schema.Condition, place: str) -> None:
    for section, wanted in (("collections", one.collection), ("models", one.model)):
        if wanted not in getattr(catalogue, section):
            raise UserError(f"{place}: {one.name} names {wanted!r}, which is not among the {section}")
    for topics in one.topics:
        if topics not in catalogue.collections[one.collection].topics:
            raise UserError(
                f"{place}: the collection {one.collection} has no topics {topics!r}, which {one.name} names"
            )
