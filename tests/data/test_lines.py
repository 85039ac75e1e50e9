"""Lines with their numbers, from plain and compressed files, and what is said of those that cannot be read."""

import gzip
from pathlib import Path

import pytest
import zstandard

from pyserini_dupmae.data.lines import numbered_lines, numbered_texts
from pyserini_dupmae.util.errors import UserError

DATA = "\ufeffeins\r\n\n \t\nzwei \nWärme".encode()
PACKED = {"a.txt": bytes, "a.txt.gz": gzip.compress, "a.txt.zst": zstandard.compress}


@pytest.mark.parametrize("name", PACKED)
def test_texts_are_stripped_of_their_ends_and_keep_their_numbers(tmp_path: Path, name: str):
    (tmp_path / name).write_bytes(PACKED[name](DATA))
    assert list(numbered_texts(tmp_path / name)) == [(1, "eins"), (4, "zwei "), (5, "Wärme")]
    assert list(numbered_texts(str(tmp_path / name))) == list(numbered_texts(tmp_path / name))


@pytest.mark.parametrize("name", PACKED)
def test_lines_are_the_bytes_of_every_line(tmp_path: Path, name: str):
    (tmp_path / name).write_bytes(PACKED[name](DATA))
    found = list(numbered_lines(tmp_path / name))
    assert [number for number, _ in found] == [1, 2, 3, 4, 5]
    assert [line.rstrip(b"\n") for _, line in found] == DATA.split(b"\n")


@pytest.mark.parametrize("name", ["a.txt.gz", "a.txt.zst"])
def test_an_archive_that_was_cut_short(tmp_path: Path, name: str):
    (tmp_path / name).write_bytes(PACKED[name](DATA * 1000)[:-10])
    with pytest.raises(UserError, match=r"a\.txt.* is damaged after line \d+"):
        list(numbered_texts(tmp_path / name))


def test_what_cannot_be_read(tmp_path: Path):
    with pytest.raises(UserError, match=r"cannot read .*nowhere\.txt: No such file"):
        list(numbered_texts(tmp_path / "nowhere.txt"))
    with pytest.raises(UserError, match=r"cannot read .*: Is a directory"):
        list(numbered_lines(tmp_path))
    (tmp_path / "latin.txt").write_bytes(b"fine\n\xe9\n")
    with pytest.raises(UserError, match=r"latin\.txt:2: not UTF-8"):
        list(numbered_texts(tmp_path / "latin.txt"))
