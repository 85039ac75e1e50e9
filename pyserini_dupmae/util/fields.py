"""Dataclasses read from files: whether their values are of the types that the class states."""

from __future__ import annotations

from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints


def require_types(value: Any) -> None:
    """Raise TypeError for the first field of the dataclass ``value`` that is not what its annotation says.

    Knows str, int, float, bool, None, other classes, ``list``, ``dict`` and ``tuple`` of these, and unions.
    """
    for name, kind in get_type_hints(type(value)).items():
        found = getattr(value, name)
        if not _is(found, kind):
            raise TypeError(f"{name} is {found!r}"[:100])


def _is(value: Any, kind: Any) -> bool:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is UnionType:
        return any(_is(value, one) for one in arguments)
    if origin is list:
        return isinstance(value, list) and all(_is(item, arguments[0]) for item in value)
    if origin is tuple:
        return isinstance(value, tuple) and len(value) == len(arguments) and all(map(_is, value, arguments))
    if origin is dict:
        return isinstance(value, dict) and all(_is(k, arguments[0]) and _is(v, arguments[1]) for k, v in value.items())
    if kind is NoneType:
        return value is None
    if kind in (int, float) and isinstance(value, bool):
        return False
    return isinstance(value, (int, float) if kind is float else kind)
