"""What the tests of whole conditions share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pyserini_dupmae.reproduce.__main__ import main

Command = Callable[..., tuple[int, str]]


@pytest.fixture
def reproduce(capfd: pytest.CaptureFixture[str]) -> Command:
    """Run the command; returns its exit status and what it printed."""

    def call(*arguments: str | Path) -> tuple[int, str]:
        capfd.readouterr()
        status = 0
        try:
            main([str(argument) for argument in arguments])
        except SystemExit as end:
            status = end.code
        return status, capfd.readouterr().out

    return call
