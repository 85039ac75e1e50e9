"""Reading a file of experiments: sections checked, matrices multiplied out, and the line of everything known."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pyserini_dupmae.experiments import schema
from pyserini_dupmae.experiments.published import tables
from pyserini_dupmae.experiments.references import MATRIX, UnknownReferenceError, expand, fill
from pyserini_dupmae.experiments.yaml_lines import LocatedDict, first_mistake, line_of, load
from pyserini_dupmae.util.errors import UserError

PUBLISHED = "published"
"""What entries refer to as ``${published.table2.nq.DupMAE}``: the numbers of `published.FILE`."""

STEPS = "steps"
LISTS: dict[str, Callable[[Any], Any]] = {
    "models": schema.Model.model_validate,
    "collections": schema.Collection.model_validate,
    "conditions": schema.condition,
    STEPS: schema.StepEntry.model_validate,
}
"""The sections that are lists, and what checks an entry."""

SECTIONS = (*schema.Header.model_fields, *LISTS)


@dataclass(frozen=True)
class ExperimentFile:
    """What a file says. ``entries`` has the lists, each entry with its place ``file:line``."""

    path: Path
    content: LocatedDict
    header: schema.Header
    entries: dict[str, list[tuple[Any, str]]] = field(default_factory=lambda: {section: [] for section in LISTS})

    def place(self, *where: str | int) -> str:
        """``file:line`` of what the keys and positions ``where`` lead to."""
        return f"{self.path}:{line_of(self.content, where)}"

    def filled(self, section: str, name: str, value: Any, named: dict[str, Any]) -> Any:
        """``value``, which is what ``section`` has for ``name``, with references filled in; raises `UserError`."""
        try:
            return fill(value, named)
        except UnknownReferenceError as error:
            raise UserError(f"{self.place(section, name)}: {error}") from None


def read_file(path: Path) -> ExperimentFile:
    """Read the file ``path``; `UserError` names file and line of the first mistake."""
    content = load(path)
    if not isinstance(content, LocatedDict):
        raise UserError(f"{path}:1: a mapping with {', '.join(SECTIONS)} is expected")
    if unknown := next((section for section in content if section not in SECTIONS), None):
        place = f"{path}:{line_of(content, [unknown])}"
        raise UserError(f"{place}: unknown section {unknown!r}; there are {', '.join(SECTIONS)}")
    header = LocatedDict((section, value) for section, value in content.items() if section not in LISTS)
    header.__dict__.update(content.__dict__)
    file = ExperimentFile(path, content, _checked(schema.Header.model_validate, header, path))
    named: dict[str, Any] = {PUBLISHED: tables()}
    if content.keys() & LISTS.keys() - {STEPS}:  # the variables of steps have values when these are given with --set
        for name, value in file.header.variables.items():
            named[name] = file.filled("variables", name, value, named)
    for section in LISTS:
        rows = content.get(section) or []
        if not isinstance(rows, list):
            raise UserError(f"{file.place(section)}: {section} must be a list")
        for number, entry in enumerate(rows):
            place = file.place(section, number)
            file.entries[section] += [(one, place) for one in _checked_rows(entry, section, path, place, named)]
    return file


def _checked_rows(entry: Any, section: str, path: Path, place: str, named: dict[str, Any]) -> Iterator[Any]:
    if not isinstance(entry, LocatedDict):
        raise UserError(f"{place}: a mapping is expected, not {entry!r}")
    matrix = entry.get(MATRIX, {})
    if not isinstance(matrix, dict) or not all(isinstance(axis, list) for axis in matrix.values()):
        raise UserError(f"{path}:{line_of(entry, [MATRIX])}: matrix must be a mapping of lists")
    try:
        rows = expand(entry, keep_unknown=True) if section == STEPS else expand(entry, named)
        for row in rows:
            yield _checked(LISTS[section], row, path)
    except UnknownReferenceError as error:
        raise UserError(f"{place}: {error}") from None


def _checked(check: Callable[[Any], Any], entry: Any, path: Path) -> Any:
    try:
        return check(entry)
    except ValidationError as error:
        raise UserError(first_mistake(error, entry, path)) from None
