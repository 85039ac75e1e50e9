"""What a long piece of work says of itself: lines where nobody watches, and how long the rest takes."""

from __future__ import annotations

import logging
import sys

import pytest

from pyserini_dupmae.util import log, progress
from pyserini_dupmae.util.command import make_parser
from pyserini_dupmae.util.progress import Progress, duration, is_watched


@pytest.fixture
def seconds(monkeypatch):
    """The time, as a list of one number that a test moves on; the package's messages are shown."""
    now = [0.0]
    monkeypatch.setattr(progress, "clock", lambda: now[0])
    log.show()
    return now


def work(seconds: list[float], steps: int, each: float) -> None:
    with Progress("encoding", steps, "documents") as told:
        for _ in range(steps):
            seconds[0] += each
            told.update()


def test_a_log_gets_a_line_now_and_then(seconds, capsys):
    work(seconds, 100, 1.0)
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "\r" not in printed.err
    assert printed.err.splitlines() == [
        f"pyserini_dupmae: encoding: {done} of 100 documents ({done} %), 1.00 documents/s, {left} left"
        for done, left in ((30, "1 min 10 s"), (60, "40 s"), (90, "10 s"))
    ] + ["pyserini_dupmae: encoding: 100 documents in 1 min 40 s"]


def test_short_work_says_nothing(seconds, capsys):
    work(seconds, 100, 0.1)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("option", "lines"), [("--quiet", 0), ("--verbose", 20)])
def test_quiet_and_verbose(seconds, capsys, option, lines):
    assert vars(make_parser("x", "x").parse_args([option])) == {}
    work(seconds, 100, 1.0)
    assert len(capsys.readouterr().err.splitlines()) == lines + bool(lines)


def test_what_was_there_before_is_no_work_of_this_run(seconds):
    with Progress("encoding", 100, "documents") as told:
        told.skip(50)
        told.update(10)
        assert told.line(20.0) == "encoding: 60 of 100 documents (60 %), 0.50 documents/s, 1 min 20 s left"


class Terminal:
    def __init__(self, stream):
        self.stream = stream

    def __getattr__(self, name):
        return getattr(self.stream, name)

    def isatty(self):
        return True


def test_a_bar_is_for_a_terminal(seconds, capsys, monkeypatch):
    assert not is_watched()
    with monkeypatch.context() as notebook:
        notebook.setitem(sys.modules, "ipykernel", sys)
        assert is_watched()
    monkeypatch.setattr(sys, "stderr", Terminal(sys.stderr))
    assert is_watched()
    work(seconds, 100, 1.0)
    assert "\rencoding: " in capsys.readouterr().err
    log.logger.setLevel(logging.WARNING)
    assert not is_watched()


def test_durations():
    assert [duration(value) for value in (0, 59.4, 59.6, 3599.6, 86_400)] == [
        "0 s",
        "59 s",
        "1 min 0 s",
        "1 h 0 min",
        "24 h 0 min",
    ]
