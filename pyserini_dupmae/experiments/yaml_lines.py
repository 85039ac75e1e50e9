"""YAML whose mappings and lists remember the line of each entry, so that an error can name it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from pyserini_dupmae.util.errors import UserError
from pyserini_dupmae.util.json_text import DEEPEST

if TYPE_CHECKING:
    from pydantic import ValidationError


LARGEST = 1_000_000
"""Entries of a file, each as often as the file refers to it."""


class LocatedDict(dict):
    """A mapping of a YAML file. ``line`` is where it begins, ``lines`` maps a key to the line it stands on."""

    line: int
    lines: dict[Any, int]


class LocatedList(list):
    """A list of a YAML file. ``line`` is where it begins, ``lines`` has the line of each item."""

    line: int
    lines: list[int]


class _Loader(yaml.SafeLoader):
    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node)
        if isinstance(node, yaml.SequenceNode):
            return self._sequence(node)
        return super().construct_object(node, deep=deep)

    def _mapping(self, node: yaml.MappingNode) -> LocatedDict:
        self._refuse_duplicates(node)
        self.flatten_mapping(node)  # << keys
        found = LocatedDict()
        found.line, found.lines = node.start_mark.line + 1, {}
        for key_node, value_node in node.value:
            key = super().construct_object(key_node, deep=True)
            found[key] = self.construct_object(value_node)
            found.lines[key] = key_node.start_mark.line + 1
        return found

    def _sequence(self, node: yaml.SequenceNode) -> LocatedList:
        found = LocatedList(self.construct_object(item) for item in node.value)
        found.line, found.lines = node.start_mark.line + 1, [item.start_mark.line + 1 for item in node.value]
        return found

    @staticmethod
    def _refuse_duplicates(node: yaml.MappingNode) -> None:
        seen = set()
        for key, _ in node.value:
            if key.value in seen and key.tag != "tag:yaml.org,2002:merge":
                raise yaml.MarkedYAMLError(problem=f"the key {key.value!r} stands twice", problem_mark=key.start_mark)
            seen.add(key.value)


def load(path: Path) -> Any:
    """The value in a YAML file, with `LocatedDict` and `LocatedList` in it; `UserError` names file and line."""
    try:
        text = path.read_text(encoding="utf-8")
        _require_bounded(text)
        return yaml.load(text, _Loader)  # a SafeLoader
    except yaml.MarkedYAMLError as error:
        line = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
        raise UserError(f"{path}{line}: {error.problem}; mend the file") from None
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise UserError(f"cannot read {path}: {error}") from None


def parse(text: str) -> Any:
    """The value that ``text`` is in YAML; raises `yaml.YAMLError`."""
    _require_bounded(text)
    return yaml.safe_load(text)


def _require_bounded(text: str) -> None:
    """Raise `yaml.MarkedYAMLError` for what nests without end, refers to itself, or is huge once it is written out."""
    sizes: dict[str, int] = {}
    around: list[tuple[str | None, int]] = []  # the anchor of each collection that is open, and what came before it
    size = 0
    event: Any  # of one of two parsers, whose types differ
    for event in yaml.parse(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
        problem = None
        if isinstance(event, yaml.CollectionStartEvent):
            around.append((event.anchor, size))
            problem = f"nested more than {DEEPEST} deep" if len(around) > DEEPEST else None
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = around.pop()
            if anchor is not None:
                sizes[anchor] = size - before
        elif isinstance(event, yaml.AliasEvent):
            if event.anchor in [anchor for anchor, _ in around]:
                problem = f"*{event.anchor} refers to what it stands in"
            size += sizes.get(str(event.anchor), 1)
        size += 1
        if size > LARGEST:
            problem = f"more than {LARGEST:,} entries, with what it refers to"
        if problem:
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=event.start_mark)


def line_of(value: Any, where: Sequence[Any]) -> int | None:
    """The line that the keys and positions ``where`` lead to in ``value``, as deep as they can be followed."""
    line = getattr(value, "line", None)
    for key in where:
        if not isinstance(value, LocatedDict | LocatedList):
            break
        try:
            line, value = value.lines[key], value[key]
        except (KeyError, IndexError, TypeError):
            continue  # a missing key, or a part of the place that is the schema's and not the file's
    return line


def first_mistake(error: ValidationError, entry: Any, path: Path) -> str:
    """What pydantic finds wrong with ``entry``, which stands in the file ``path``: the first thing, on one line."""
    first = error.errors()[0]
    where = "".join(f"{part}: " for part in first["loc"])
    given = "" if first["type"] in ("missing", "value_error") else f", got {first['input']!r}"
    return f"{path}:{line_of(entry, first['loc'])}: {where}{first['msg'].removeprefix('Value error, ')}{given}"
