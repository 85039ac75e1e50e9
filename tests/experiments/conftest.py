"""What the tests of experiments share: commands called in this process; judgements, and the arguments of a sweep."""

from __future__ import annotations

import io
import random
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from unittest.mock import patch

import pytest

from pyserini_dupmae.reproduce.__main__ import main as reproduce_main
from pyserini_dupmae.training.run.__main__ import main as recipe_main

Command = Callable[..., tuple[int, str]]
CommandLine = Callable[..., list[str]]
UNJUDGED = "1"


def _call(main: Callable[[list[str]], None], python: str) -> Command:
    """``main`` in this process, its steps in processes of ``python``."""

    def call(*arguments: str | Path) -> tuple[int, str]:
        status = 0
        with redirect_stdout(io.StringIO()) as printed, patch.object(sys, "executable", python):
            try:
                main([str(argument) for argument in arguments])
            except SystemExit as end:
                status = int(end.code or 0)
        return status, printed.getvalue()

    return call


@pytest.fixture(scope="session")
def reproduce(warm_python: str) -> Command:
    """Run the command; returns its exit status and what it printed."""
    return _call(reproduce_main, warm_python)


@pytest.fixture(scope="session")
def training_run(warm_python: str) -> Command:
    """The same for ``training.run``; what the steps' own commands print is shown in pytest's output."""
    return _call(recipe_main, warm_python)


@pytest.fixture(scope="session")
def qrels(topics: list[tuple[str, str]], corpus: list[tuple[str, str]]) -> dict[str, dict[str, int]]:
    """Graded judgements of 40 documents for every topic but one."""
    draw = random.Random(3)
    docids = [docid for docid, _ in corpus]
    return {
        qid: {docid: draw.randrange(3) for docid in draw.sample(docids, 40)} for qid, _ in topics if qid != UNJUDGED
    }


@pytest.fixture(scope="session")
def qrels_file(qrels: dict[str, dict[str, int]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("qrels") / "qrels.txt"
    lines = [f"{qid} 0 {docid} {grade}\n" for qid, judged in qrels.items() for docid, grade in judged.items()]
    path.write_text("".join(lines), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def command_line(encoded: Path, tiny_model_dir: Path, topics_file: Path, qrels_file: Path) -> CommandLine:
    """The command's arguments for the shared collection; options given again replace these."""

    def arguments(output: Path, *more: str | int | Path) -> list[str]:
        words = ["--index", encoded, "--encoder", tiny_model_dir, "--topics", topics_file, "--qrels", qrels_file]
        return [str(word) for word in (*words, "--output", output, *more)]

    return arguments
