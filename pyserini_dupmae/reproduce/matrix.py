"""Entries that stand for many: ``matrix`` gives axes, and ``${axis}`` or ``${axis.key}`` stands for a value of one.

>>> entry = {"matrix": {"size": [1, {"n": 2}]}, "name": "run-${size}", "k": "${size}"}
>>> [row["k"] for row in expand(entry)]
[1, {'n': 2}]
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import product
from typing import Any

from pyserini_dupmae.reproduce.located import LocatedDict, LocatedList

MATRIX = "matrix"
_REFERENCE = re.compile(r"\$\{([\w.]+)\}")


class UnknownReferenceError(Exception):
    """``${...}`` names no value of the matrix; the message says which."""


def expand(entry: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every combination of the axes of ``entry``, which is given back as it is when it has no matrix.

    A string that is nothing but ``${...}`` becomes the value itself, of whatever type. Raises `UnknownReferenceError`.
    """
    axes = entry.get(MATRIX)
    if axes is None:
        yield entry
        return
    body = _without_matrix(entry)
    for values in product(*axes.values()):
        yield _fill(body, dict(zip(axes, values, strict=True)))


def _without_matrix(entry: dict[str, Any]) -> dict[str, Any]:
    body = LocatedDict((key, value) for key, value in entry.items() if key != MATRIX)
    body.__dict__.update(getattr(entry, "__dict__", {}))
    return body


def _fill(value: Any, chosen: dict[str, Any]) -> Any:
    if isinstance(value, dict):
        filled: Any = LocatedDict((_fill(key, chosen), _fill(item, chosen)) for key, item in value.items())
    elif isinstance(value, list):
        filled = LocatedList(_fill(item, chosen) for item in value)
    elif isinstance(value, str):
        whole = _REFERENCE.fullmatch(value)
        return _look_up(whole[1], chosen) if whole else _REFERENCE.sub(lambda m: str(_look_up(m[1], chosen)), value)
    else:
        return value
    filled.__dict__.update(getattr(value, "__dict__", {}))
    return filled


def _look_up(reference: str, chosen: dict[str, Any]) -> Any:
    value: Any = chosen
    for part in reference.split("."):
        if not isinstance(value, dict) or part not in value:
            raise UnknownReferenceError(f"${{{reference}}} stands for nothing: there is no {part!r} in the matrix")
        value = value[part]
    return value
