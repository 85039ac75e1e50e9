"""Work in several processes: what one raises is told, and a death is named."""

from __future__ import annotations

import os
import signal
from functools import partial
from pathlib import Path

import pytest

from pyserini_dupmae.util.errors import UserError
from pyserini_dupmae.util.processes import in_processes


def _write(folder: Path, number: int) -> None:
    (folder / str(number)).write_text(str(os.getpid()))


def _refuse(number: int) -> None:
    if number == 1:
        raise UserError("this file cannot be used")
    signal.pause()  # the others are ended


def _die(number: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_each_number_has_a_process(tmp_path: Path) -> None:
    in_processes(partial(_write, tmp_path), 2, "the test")
    processes = {(tmp_path / str(number)).read_text() for number in range(2)}
    assert len(processes - {str(os.getpid())}) == 2


def test_a_mistake_in_one_is_the_mistake_of_all() -> None:
    with pytest.raises(UserError, match="this file cannot be used"):
        in_processes(_refuse, 2, "the test")


def test_a_death_is_named() -> None:
    with pytest.raises(UserError, match="process 0 of the test was ended by SIGKILL; run the same command again"):
        in_processes(_die, 1, "the test")
