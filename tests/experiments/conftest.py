"""What the tests of experiments share: the commands `reproduce` and `training.run`, called in this process."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path

import pytest

from pyserini_dupmae.reproduce.__main__ import main as reproduce_main
from pyserini_dupmae.training.run.__main__ import main as recipe_main

Command = Callable[..., tuple[int, str]]


def _call(main: Callable[[list[str]], None]) -> Command:
    def call(*arguments: str | Path) -> tuple[int, str]:
        status = 0
        with redirect_stdout(io.StringIO()) as printed:
            try:
                main([str(argument) for argument in arguments])
            except SystemExit as end:
                status = int(end.code or 0)
        return status, printed.getvalue()

    return call


@pytest.fixture(scope="session")
def reproduce() -> Command:
    """Run the command; returns its exit status and what it printed."""
    return _call(reproduce_main)


@pytest.fixture(scope="session")
def training_run() -> Command:
    """The same for ``training.run``; what the steps' own commands print is shown in pytest's output."""
    return _call(recipe_main)
