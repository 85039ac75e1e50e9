"""Running the encode command, in this process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from pyserini_dupmae.encode.__main__ import main
from pyserini_dupmae.util.command import run_command


@dataclass
class Finished:
    """How a command ended: its exit status and what it printed."""

    status: int
    stdout: str
    stderr: str


@pytest.fixture
def encode(capsys: pytest.CaptureFixture[str], tiny_model_dir: Path, tmp_path: Path) -> Callable[..., Finished]:
    """``encode(corpus, "--store-only", encoder=("--top-k", "8"))`` writes to ``tmp_path/out``."""

    def run(
        corpus: Path,
        *options: str,
        output: Path = tmp_path / "out",
        model: Path = tiny_model_dir,
        input: tuple[str, ...] = (),
        encoder: tuple[str, ...] = (),
    ) -> Finished:
        words = ["input", "--corpus", str(corpus), *input, "output", "--index", str(output), *options]
        words += ["encoder", "--encoder", str(model), *encoder]
        capsys.readouterr()
        status = 0
        try:
            run_command(lambda: main(words))
        except SystemExit as stop:
            status = int(stop.code or 0)
        captured = capsys.readouterr()
        return Finished(status, captured.out, captured.err)

    return run
