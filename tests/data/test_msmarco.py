"""Passages and titles in two files, joined."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyserini_dupmae.data.msmarco import join_titles
from pyserini_dupmae.util.errors import UserError
from tests.helpers import write_lines


def test_titles_are_joined_to_their_passages(tmp_path: Path) -> None:
    passages = write_lines(tmp_path / "para.txt", ["2\ttwo", "1\tone", "3\tthree"])
    titles = write_lines(tmp_path / "title.txt", ["1\tOne", "3\tThree", "4\tNobody's"])
    join_titles(passages, titles, tmp_path / "out.tsv")
    assert (tmp_path / "out.tsv").read_text() == "2\t\ttwo\n1\tOne\tone\n3\tThree\tthree\n"


@pytest.mark.parametrize("line", ["only an id", "1\ta\tb"])
def test_another_line_is_named(tmp_path: Path, line: str) -> None:
    passages, titles = write_lines(tmp_path / "p", ["1\ta", line]), write_lines(tmp_path / "t", ["1\tA"])
    with pytest.raises(UserError, match=r"p:2: expected an id, a tab and a text"):
        join_titles(passages, titles, tmp_path / "out.tsv")
    with pytest.raises(UserError, match=r"p:2: expected an id, a tab and a text"):
        join_titles(titles, passages, tmp_path / "out.tsv")
    with pytest.raises(UserError, match="is empty"):
        join_titles(titles, write_lines(tmp_path / "none", []), tmp_path / "out.tsv")
    assert not (tmp_path / "out.tsv").exists()
