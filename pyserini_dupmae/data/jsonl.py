"""JSON lines: an object on each line of a plain or compressed file."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

from pyserini_dupmae.data.lines import numbered_texts
from pyserini_dupmae.util.errors import UserError
from pyserini_dupmae.util.json_text import parse_json


def parse_object(text: str) -> dict[str, Any]:
    """The object that ``text`` is.

    Raises:
        ValueError: it is none; the message says why, without the place.

    >>> parse_object('{"id": 7}')
    {'id': 7}
    """
    try:
        value = parse_json(text)
    except ValueError as error:
        raise ValueError(f"not JSON ({error})") from None
    if not isinstance(value, dict):
        raise ValueError(f"a JSON {type(value).__name__}, not an object")
    return value


def has_lone_surrogate(text: str) -> bool:
    """Whether ``text`` has half of a surrogate pair, which JSON can write and which is no character.

    >>> has_lone_surrogate(parse_object('{"text": "\\\\ud83d"}')["text"])
    True
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def read_objects(path: str | os.PathLike) -> Iterator[tuple[str, dict[str, Any]]]:
    """The object on each line that is not blank, with its place: ``FILE:LINE``.

    Raises:
        UserError: the file cannot be read, or a line is no object or has what is no character; names the line.
    """
    for number, line in numbered_texts(path):
        place = f"{path}:{number}"
        try:
            value = parse_object(line)
        except ValueError as error:
            raise UserError(f"{place}: {error}") from None
        if "\\u" in line and has_lone_surrogate(json.dumps(value, ensure_ascii=False)):
            raise UserError(f"{place}: half of a surrogate pair, which is no character")
        yield place, value
