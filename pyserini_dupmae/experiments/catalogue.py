"""The conditions, collections and models that are shipped, and those of the user's own files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from pyserini_dupmae.experiments.reader import STEPS, read_file
from pyserini_dupmae.experiments.schema import AnyCondition, Collection, Condition, MeanCondition, Model
from pyserini_dupmae.util.errors import UserError

SHIPPED = Path(__file__).parent / "conditions"


@dataclass
class Catalogue:
    """Everything by name, in the order of the files. ``places`` maps (section, name) to ``file:line``, for messages."""

    models: dict[str, Model] = field(default_factory=dict)
    collections: dict[str, Collection] = field(default_factory=dict)
    conditions: dict[str, AnyCondition] = field(default_factory=dict)
    places: dict[tuple[str, str], str] = field(default_factory=dict)

    def select(self, patterns: Iterable[str]) -> list[AnyCondition]:
        """The conditions whose name fits a pattern with ``*``, ``?`` or ``[]``, each once, in the catalogue's order."""
        chosen: set[str] = set()
        for pattern in patterns:
            found = [name for name in self.conditions if fnmatchcase(name, pattern)]
            if not found:
                raise UserError(f"no condition is named {pattern!r}; --list shows all of them")
            chosen.update(found)
        return [one for name, one in self.conditions.items() if name in chosen]

    def members(self, mean: MeanCondition) -> list[AnyCondition]:
        """The conditions of which ``mean`` is the mean."""
        return self.select(mean.mean_of)

    def singles(self, chosen: Iterable[AnyCondition]) -> Iterator[Condition]:
        """The conditions that are run themselves: those of ``chosen`` that are no mean, and those whose mean is."""
        for one in chosen:
            if isinstance(one, MeanCondition):
                yield from self.singles(self.members(one))
            else:
                yield one

    def __str__(self) -> str:
        """A line for each condition: its name, what it is, the model to give, and whether anybody has measured it."""
        width = max(map(len, self.conditions))
        lines = []
        for name, one in self.conditions.items():
            needs = ""
            if isinstance(one, Condition) and self.models[one.model].package is None:
                needs = f" (--model {one.model}=DIR)"
            state = "" if one.expected or one.expected_by_python else " [never measured]"
            lines.append(f"{name:{width}}  {one.description}{needs}{state}")
        return "\n".join(lines)


def read_catalogue(files: Iterable[Path] = ()) -> Catalogue:
    """The shipped conditions and those of ``files``; `UserError` names file and line of the first mistake."""
    catalogue = Catalogue()
    for path in [*sorted(SHIPPED.glob("*.yaml")), *files]:
        for section, entries in read_file(path).entries.items():
            if entries and section == STEPS:
                raise UserError(f"{entries[0][1]}: these are the steps of a recipe; conditions are expected here")
            for found, place in entries:
                _add(catalogue, section, found, place)
    for name, one in catalogue.conditions.items():
        place = catalogue.places["conditions", name]
        if isinstance(one, MeanCondition):
            _check_members(catalogue, one, place)
        else:
            _check_references(catalogue, one, place)
    return catalogue


def _add(catalogue: Catalogue, section: str, found: Any, place: str) -> None:
    known = getattr(catalogue, section)
    if found.name in known:
        before = catalogue.places[section, found.name]
        raise UserError(f"{place}: the name {found.name!r} is taken, by {before}; choose another")
    known[found.name] = found
    catalogue.places[section, found.name] = place


def _check_members(catalogue: Catalogue, mean: MeanCondition, place: str) -> None:
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


def _check_references(catalogue: Catalogue, one: Condition, place: str) -> None:
    for section, wanted in (("collections", one.collection), ("models", one.model)):
        if wanted not in getattr(catalogue, section):
            raise UserError(f"{place}: {one.name} names {wanted!r}, which is not among the {section}")
    for topics in one.topics:
        if topics not in catalogue.collections[one.collection].topics:
            raise UserError(
                f"{place}: the collection {one.collection} has no topics {topics!r}, which {one.name} names"
            )
