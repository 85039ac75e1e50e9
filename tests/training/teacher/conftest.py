"""Training data that a cross-encoder can learn: relevant documents have words that no others have."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from tests.helpers import write_beir, write_jsonl

WORDS = ("add", "angle", "list", "file", "date", "number", "color", "thread", "socket", "heap", "turtle")
RELEVANT_WORDS = ("return", "the", "value", "of", "this", "for")


class Task(NamedTuple):
    """A source, its file of negatives, and the same as texts."""

    source: Path
    negatives: Path
    queries: dict[str, str]
    documents: dict[str, str]
    positives: dict[str, list[str]]
    mined: dict[str, list[str]]

    def options(self, output: Path, *more: object) -> list[str]:
        options = ["--data", self.source, "--negatives", self.negatives, "--output", output]
        return [str(option) for option in (*options, "--cache", self.source.parent / "cache", *more)]


@pytest.fixture(scope="session")
def task(tmp_path_factory: pytest.TempPathFactory) -> Task:
    """60 queries, each with one or two positives and 6 negatives."""
    folder = tmp_path_factory.mktemp("task") / "beir"
    generator = np.random.default_rng(0)

    def words(n: int, of: tuple[str, ...] = WORDS) -> str:
        return " ".join(generator.choice(of, n))

    queries, documents, positives, mined = {}, {}, {}, {}
    for number in range(60):
        qid = f"q{number}"
        queries[qid] = words(3)
        positives[qid] = [f"{qid}p{i}" for i in range(1 + number % 2)]
        mined[qid] = [f"{qid}n{i}" for i in range(6)]
        documents |= {docid: words(int(generator.integers(3, 13)), RELEVANT_WORDS) for docid in positives[qid]}
        documents |= {docid: words(int(generator.integers(3, 13))) for docid in mined[qid]}
    write_beir(folder, documents, queries, train={q: dict.fromkeys(docids, 1) for q, docids in positives.items()})
    negatives = write_jsonl(
        folder.parent / "negatives.jsonl", [{"query_id": q, "negatives": n} for q, n in mined.items()]
    )
    return Task(folder, negatives, queries, documents, positives, mined)
