"""The test collection as training data: a BEIR folder whose documents are those that were encoded."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers import write_beir
from tests.search.conftest import documents, queries, query_model, short_lists  # noqa: F401

POSITIVES = {"1": (0, 3), "2": (10,), "5": (20, 21, 22), "7": (40,), "11": (60,), "20": (7, 90)}
"""query id -> numbers of documents."""


def write_source(folder: Path, corpus: list, topics: dict[str, str], positives: dict[str, list[str]]) -> Path:
    """A BEIR folder with one split."""
    grades = {qid: dict.fromkeys(docids, 1) for qid, docids in positives.items()}
    return write_beir(folder, dict(corpus), topics, train=grades)


@pytest.fixture(scope="session")
def documents_to_mine(corpus: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """`corpus`, of which some documents now have the text of others, in other letters and spaces."""
    texts = dict(corpus)
    docids = list(texts)
    for copy, original in ((100, 0), (101, 10), (102, 20), (103, 150), (104, 150), (105, 200)):
        texts[docids[copy]] = "  " + texts[docids[original]].upper().replace(" ", "\n ")
    return list(texts.items())


@pytest.fixture(scope="session")
def source(
    documents_to_mine: list[tuple[str, str]],
    topics: list[tuple[str, str]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """Six queries of `topics` with their positives."""
    docids = [docid for docid, _ in documents_to_mine]
    positives = {qid: [docids[number] for number in numbers] for qid, numbers in POSITIVES.items()}
    return write_source(tmp_path_factory.mktemp("source") / "beir", documents_to_mine, dict(topics), positives)
