"""Makes of the package's docstrings what the site reads: examples as code, a line for each parameter."""

from __future__ import annotations

import re
from typing import Any

import griffe

DOCTEST = re.compile(r"(?:^>>> .*\n?(?:^(?!>>> |\n).+\n?)*)+", re.MULTILINE)

# "shard_id, shard_num: one part of a collection", with the deeper lines that follow.
SHARED = re.compile(r"^( +)(\w+(?:, \w+)+)(: .*\n?(?:\1 +.*\n?)*)", re.MULTILINE)


class Docstrings(griffe.Extension):
    """Changes the text of each docstring when its object has been read."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        if obj.docstring is not None:
            obj.docstring.value = markdown(obj.docstring.value)


def markdown(text: str) -> str:
    """A docstring whose examples Markdown takes for code, and whose parameters each have their text."""
    text = DOCTEST.sub(lambda match: f"```pycon\n{match[0].rstrip()}\n```\n", text)
    text = SHARED.sub(_each_alone, text)
    return re.sub(r"::$", ":", text, flags=re.MULTILINE)


def _each_alone(shared: re.Match[str]) -> str:
    indent, names, text = shared.groups()
    return "".join(f"{indent}{name}{text}".rstrip("\n") + "\n" for name in names.split(", "))
