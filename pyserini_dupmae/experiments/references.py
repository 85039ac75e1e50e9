"""``${name}`` in YAML stands for a value that has that name.

>>> fill({"k": "${size}", "name": "run-${size.n}"}, {"size": {"n": 2}})
{'k': {'n': 2}, 'name': 'run-2'}
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from pyserini_dupmae.experiments.yaml_lines import LocatedDict, LocatedList

_REFERENCE = re.compile(r"\$\{([\w.-]+)\}")


class UnknownReferenceError(Exception):
    """``${...}`` stands for nothing; the message says which."""


def fill(value: Any, named: dict[str, Any]) -> Any:
    """``value`` with each reference in it replaced, lines kept.

    A string that is nothing but ``${...}`` becomes the value itself, of whatever type; ``${a.b}`` is ``b`` of the
    mapping ``a``. Raises `UnknownReferenceError`.
    """
    if isinstance(value, dict):
        filled: Any = LocatedDict((fill(key, named), fill(item, named)) for key, item in value.items())
    elif isinstance(value, list):
        filled = LocatedList(fill(item, named) for item in value)
    elif isinstance(value, str):
        whole = _REFERENCE.fullmatch(value)
        return _look_up(whole[1], named) if whole else _REFERENCE.sub(lambda m: str(_look_up(m[1], named)), value)
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


def _look_up(reference: str, named: dict[str, Any]) -> Any:
    value: Any = named
    for part in reference.split("."):
        if not isinstance(value, dict) or part not in value:
            known = ", ".join(map(str, value)) if isinstance(value, dict) else "a single value"
            raise UnknownReferenceError(f"${{{reference}}} stands for nothing: no {part!r} among {known}")
        value = value[part]
    return value
