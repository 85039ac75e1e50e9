"""Judgements of the shared topics, and the arguments of the sweep command."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

CommandLine = Callable[..., list[str]]
UNJUDGED = "1"


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
        words = ["--embeddings", encoded, "--encoder", tiny_model_dir, "--topics", topics_file, "--qrels", qrels_file]
        return [str(word) for word in (*words, "--output", output, *more)]

    return arguments
