"""Objects a line, and what is said of other lines."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from pyserini_dupmae.data.jsonl import parse_object, read_objects
from pyserini_dupmae.util.errors import UserError


def test_objects_come_with_their_places(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress('\ufeff{"a": 1}\r\n\n{"b": "ü"}'.encode()))
    assert list(read_objects(path)) == [(f"{path}:1", {"a": 1}), (f"{path}:3", {"b": "ü"})]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"a": ', "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[1]", "a JSON list, not an object"),
        ("7", "a JSON int, not an object"),
        ("null", "a JSON NoneType, not an object"),
    ],
)
def test_another_line_is_named(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_object(line)
    (tmp_path / "a.jsonl").write_text('{"a": 1}\n' + line)
    with pytest.raises(UserError, match=rf"a\.jsonl:2: {message}"):
        list(read_objects(tmp_path / "a.jsonl"))
