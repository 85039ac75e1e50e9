"""Work in parts: what an interruption leaves is used, and the output does not tell that there was one."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyserini_dupmae.training.resumable_file import PartedFile
from pyserini_dupmae.util.errors import UserError

WHOLE = "".join(f"{number}\n" * (number % 3) for number in range(10))


def _entries(part: range) -> Iterator[str]:
    for number in part:
        yield f"{number}\n" * (number % 3)


def _breaks_at(query: int, asked: list[int]) -> object:
    def entries(part: range) -> Iterator[str]:
        for number, entry in zip(part, _entries(part), strict=True):
            asked.append(number)
            if number == query:
                raise KeyboardInterrupt
            yield entry

    return entries


@pytest.mark.parametrize("name", ["out.tsv", "out.tsv.gz"])
def test_an_interrupted_file_is_the_same_and_no_part_is_done_twice(name: str, tmp_path: Path) -> None:
    asked: list[int] = []
    path = tmp_path / name
    for query in (1, 8):
        with pytest.raises(KeyboardInterrupt):
            PartedFile(path, ".tsv", 4, False).write({"depth": 3}, 10, _breaks_at(query, asked))
        assert not path.exists()
    PartedFile(path, ".tsv", 4, False).write({"depth": 3}, 10, _breaks_at(-1, asked))
    assert asked == [0, 1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 8, 9]
    whole = tmp_path / f"whole-{name}"
    PartedFile(whole, ".tsv", 4, False).write({"depth": 3}, 10, _entries)
    assert path.read_bytes() == whole.read_bytes()
    text = gzip.decompress(path.read_bytes()).decode() if name.endswith(".gz") else path.read_text()
    assert text == WHOLE
    assert {file.name for file in tmp_path.iterdir()} == {name, whole.name}


def test_parts_of_other_settings_are_never_mixed_in(tmp_path: Path) -> None:
    path = tmp_path / "out.tsv"
    with pytest.raises(KeyboardInterrupt):
        PartedFile(path, ".tsv", 4, False).write({"depth": 3}, 10, _breaks_at(5, []))
    with pytest.raises(UserError, match=r"was begun with depth 3, but this command has 4"):
        PartedFile(path, ".tsv", 4, False).write({"depth": 4}, 10, _entries)
    asked: list[int] = []
    PartedFile(path, ".tsv", 4, True).write({"depth": 4}, 10, _breaks_at(-1, asked))
    assert asked == list(range(10))
    assert path.read_text() == WHOLE


def test_what_is_there_is_replaced_only_when_asked(tmp_path: Path) -> None:
    path = tmp_path / "out.tsv"
    path.write_text("before")
    with pytest.raises(UserError, match="exists; give another --output, or --overwrite"):
        PartedFile(path, ".tsv", 4, False)
    PartedFile(path, ".tsv", 4, True).write({}, 10, _entries)
    assert path.read_text() == WHOLE


def test_a_name_that_readers_would_not_know_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"must end in \.tsv or \.tsv\.gz"):
        PartedFile(tmp_path / "out.tsv.zst", ".tsv", 4, False)
    with pytest.raises(UserError, match="is a folder"):
        PartedFile(tmp_path, ".tsv", 4, False)
