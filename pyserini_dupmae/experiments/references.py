"""``${name}`` in YAML stands for a value that has that name; ``matrix`` makes an entry stand for many.

>>> fill({"k": "${size}", "name": "run-${size.n}"}, {"size": {"n": 2}})
{'k': {'n': 2}, 'name': 'run-2'}
>>> entry = {"matrix": {"size": [1, {"n": 2}], "mode": ["dense"]}, "name": "${mode}-${size}", "k": "${size}"}
>>> [row["k"] for row in expand(entry)]
[1, {'n': 2}]
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

from pyserini_dupmae.experiments.yaml_lines import LocatedDict, LocatedList

MATRIX = "matrix"
_REFERENCE = re.compile(r"\$\{([\w.+-]+)\}")


class UnknownReferenceError(Exception):
    """``${...}`` stands for nothing; the message says which."""


def fill(value: Any, named: Mapping[str, Any], *, keep_unknown: bool = False) -> Any:
    """``value`` with each reference in it replaced, lines kept.

    A string that is nothing but ``${...}`` becomes the value itself, of whatever type; ``${a.b}`` is ``b`` of the
    mapping ``a``, and ``${a.${b}}`` is looked up under the name that ``b`` stands for.

    Args:
        keep_unknown: leave references to names that ``named`` does not have, for someone else to fill.

    Raises:
        UnknownReferenceError: a reference stands for nothing.
    """
    if isinstance(value, dict):
        filled: Any = LocatedDict(
            (fill(key, named, keep_unknown=keep_unknown), fill(item, named, keep_unknown=keep_unknown))
            for key, item in value.items()
        )
    elif isinstance(value, list):
        filled = LocatedList(fill(item, named, keep_unknown=keep_unknown) for item in value)
    elif isinstance(value, str):
        return _fill_text(value, named, keep_unknown)
    else:
        return value
    filled.__dict__.update(getattr(value, "__dict__", {}))
    return filled


def references(value: Any) -> Iterator[str]:
    """The names that ``value`` refers to, as they stand in it."""
    if isinstance(value, dict):
        value = [*value.keys(), *value.values()]
    if isinstance(value, list):
        for item in value:
            yield from references(item)
    elif isinstance(value, str):
        yield from _REFERENCE.findall(value)


def expand(entry: Any, named: Mapping[str, Any] | None = None, *, keep_unknown: bool = False) -> Iterator[Any]:
    """``entry`` for every combination of its axes, with references to an axis or to ``named`` filled in.

    ``entry[MATRIX]`` maps the name of an axis to its values; without it the entry stands for itself.

    Raises:
        UnknownReferenceError: as `fill`.
    """
    axes = entry.get(MATRIX, {})
    body = LocatedDict((key, value) for key, value in entry.items() if key != MATRIX)
    body.__dict__.update(getattr(entry, "__dict__", {}))
    for values in product(*axes.values()):
        yield fill(body, {**(named or {}), **dict(zip(axes, values, strict=True))}, keep_unknown=keep_unknown)


def _fill_text(text: str, named: Mapping[str, Any], keep_unknown: bool) -> Any:
    before = None
    while text != before:  # once for each depth of ${a.${b}}
        whole = _REFERENCE.fullmatch(text)
        if whole:
            return _look_up(whole, named, keep_unknown)
        before, text = text, _REFERENCE.sub(lambda found: str(_look_up(found, named, keep_unknown)), text)
    return text


def _look_up(found: re.Match[str], named: Mapping[str, Any], keep_unknown: bool) -> Any:
    value: Any = named
    for part in found[1].split("."):
        if not isinstance(value, Mapping) or part not in value:
            if keep_unknown and value is named:
                return found[0]
            known = ", ".join(map(str, value)) if isinstance(value, Mapping) else "a single value"
            raise UnknownReferenceError(f"{found[0]} stands for nothing: no {part!r} among {known}")
        value = value[part]
    return value
