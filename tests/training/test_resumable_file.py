"""Work in parts: what an interruption leaves is used, and the output does not tell that there was one."""

from __future__ import annotations

import gzip
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyserini_dupmae.training.resumable_file import ResumableFile
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


SLOW = """
import sys, time
from pyserini_dupmae.training.resumable_file import ResumableFile

def entries(part):
    for number in part:
        time.sleep(0.1)
        yield f"{number}\\n" * (number % 3)

ResumableFile(sys.argv[1], ".tsv", 4, False).write({"depth": 3}, 200, entries)
"""


def test_a_killed_process_leaves_whole_parts_and_no_output(tmp_path: Path) -> None:
    path = tmp_path / "out.tsv"
    process = subprocess.Popen([sys.executable, "-c", SLOW, str(path)], stderr=subprocess.DEVNULL)
    while process.poll() is None and not (tmp_path / "out.tsv.parts" / "000000008").exists():
        time.sleep(0.005)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    assert not path.exists()
    asked: list[int] = []
    done = ResumableFile(path, ".tsv", 4, False).write({"depth": 3}, 200, _breaks_at(-1, asked))
    assert done == len(asked) <= 188
    assert asked == list(range(200 - done, 200))
    assert path.read_text() == "".join(f"{number}\n" * (number % 3) for number in range(200))
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["out.tsv", "out.tsv.gz"])
def test_an_interrupted_file_is_the_same_and_no_part_is_done_twice(name: str, tmp_path: Path) -> None:
    asked: list[int] = []
    path = tmp_path / name
    for query in (1, 8):
        with pytest.raises(KeyboardInterrupt):
            ResumableFile(path, ".tsv", 4, False).write({"depth": 3}, 10, _breaks_at(query, asked))
        assert not path.exists()
    ResumableFile(path, ".tsv", 4, False).write({"depth": 3}, 10, _breaks_at(-1, asked))
    assert asked == [0, 1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 8, 9]
    whole = tmp_path / f"whole-{name}"
    ResumableFile(whole, ".tsv", 4, False).write({"depth": 3}, 10, _entries)
    assert path.read_bytes() == whole.read_bytes()
    text = gzip.decompress(path.read_bytes()).decode() if name.endswith(".gz") else path.read_text()
    assert text == WHOLE
    assert {file.name for file in tmp_path.iterdir()} == {name, whole.name}


def test_parts_of_other_settings_are_never_mixed_in(tmp_path: Path) -> None:
    path = tmp_path / "out.tsv"
    with pytest.raises(KeyboardInterrupt):
        ResumableFile(path, ".tsv", 4, False).write({"depth": 3}, 10, _breaks_at(5, []))
    with pytest.raises(UserError, match=r"was begun with depth 3, not 4; .* or give --overwrite"):
        ResumableFile(path, ".tsv", 4, False).write({"depth": 4}, 10, _entries)
    asked: list[int] = []
    ResumableFile(path, ".tsv", 4, True).write({"depth": 4}, 10, _breaks_at(-1, asked))
    assert asked == list(range(10))
    assert path.read_text() == WHOLE


def test_what_is_there_is_replaced_only_when_asked(tmp_path: Path) -> None:
    path = tmp_path / "out.tsv"
    path.write_text("before")
    with pytest.raises(UserError, match="exists; give another --output, or --overwrite"):
        ResumableFile(path, ".tsv", 4, False)
    ResumableFile(path, ".tsv", 4, True).write({}, 10, _entries)
    assert path.read_text() == WHOLE


def test_a_name_that_readers_would_not_know_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"must end in \.tsv or \.tsv\.gz"):
        ResumableFile(tmp_path / "out.tsv.zst", ".tsv", 4, False)
    with pytest.raises(UserError, match="is a folder"):
        ResumableFile(tmp_path, ".tsv", 4, False)
