"""Settings as data: a dataclass whose fields carry choices, limits and help, and the options made of it."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, TypeVar

from pyserini_dupmae.util.errors import UserError

Kind = TypeVar("Kind", bound="Settings")


def choice(default: str, choices: tuple[str, ...], text: str) -> Any:
    """A field that takes one of ``choices``."""
    return field(default=default, metadata={"choices": choices, "help": text})


def number(default: float, low: float, high: float, text: str) -> Any:
    """A field that takes a number from ``low`` to ``high``, whole when ``default`` is."""
    return field(default=default, metadata={"low": low, "high": high, "help": text})


def text(default: str, help_text: str) -> Any:
    """A field that takes any text."""
    return field(default=default, metadata={"help": help_text})


@dataclass(frozen=True)
class Settings:
    """A base for settings made of `choice`, `number` and `text`.

    Raises:
        UserError: a value is not one of its choices or out of range.
    """

    def __post_init__(self) -> None:
        for item in fields(self):
            value, limits = getattr(self, item.name), item.metadata
            if "choices" in limits and value not in limits["choices"]:
                raise UserError(f"{item.name} must be one of {', '.join(limits['choices'])}, got {value!r}")
            if "low" in limits and not limits["low"] <= value <= limits["high"]:
                raise UserError(f"{item.name} must be from {limits['low']:g} to {limits['high']:g}, got {value!r}")


def add_options(group: argparse._ArgumentGroup, kind: type[Settings], defaults: Settings) -> None:
    """An option for each field of ``kind``; in the parsed options is only what was given.

    ``defaults`` is the preset that is taken when none is named, whose values the help shows.
    """
    for item in fields(kind):
        flag = "--" + item.name.replace("_", "-")
        choices = item.metadata.get("choices")
        default = getattr(defaults, item.name)
        text = item.metadata["help"] + (f" (default: {default})" if default != "" else "")
        group.add_argument(flag, type=type(item.default), choices=choices, default=argparse.SUPPRESS, help=text)


def given(options: argparse.Namespace, kind: type[Settings]) -> dict[str, Any]:
    """The fields of ``kind`` that were given on the command line."""
    return {item.name: getattr(options, item.name) for item in fields(kind) if item.name in options}


def settings_from(presets: Mapping[str, Kind], preset: str, options: dict[str, Any]) -> Kind:
    """The preset of that name, with the fields that ``options`` name taken out of there and changed.

    Raises:
        UserError: there is no such preset, or a value is out of range.
    """
    if preset not in presets:
        raise UserError(f"preset must be one of {', '.join(presets)}, got {preset!r}")
    names = [item.name for item in fields(presets[preset]) if item.name in options]
    return replace(presets[preset], **{name: options.pop(name) for name in names})
