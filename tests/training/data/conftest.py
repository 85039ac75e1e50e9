"""A small source in BEIR's layout."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers import write_beir

DOCIDS = [f"d{number}" for number in range(30)]
QUERY_IDS = [f"q{number}" for number in range(6)]
QRELS = [("q0", "d3", 1), ("q0", "d4", 2), ("q0", "d5", 0), ("q1", "d4", 1), ("q3", "d29", 3), ("q4", "d8", 0)]


def small_beir(folder: Path) -> Path:
    """30 documents, d0 to d29, the text of every third without a title; q0, q1 and q3 have positives."""
    documents = {
        docid: {"title": f"Title {number}" if number % 3 else "", "text": f"text of {docid}"}
        for number, docid in enumerate(DOCIDS)
    }
    grades: dict[str, dict[str, int]] = {}
    for qid, docid, relevance in QRELS:
        grades.setdefault(qid, {})[docid] = relevance
    return write_beir(folder, documents, {qid: f"about {qid}" for qid in QUERY_IDS}, train=grades)


@pytest.fixture
def beir(tmp_path: Path) -> Path:
    return small_beir(tmp_path / "beir")


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"
