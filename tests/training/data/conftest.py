"""A small source in BEIR's layout."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

DOCIDS = [f"d{number}" for number in range(30)]
QUERY_IDS = [f"q{number}" for number in range(6)]
QRELS = [("q0", "d3", 1), ("q0", "d4", 2), ("q0", "d5", 0), ("q1", "d4", 1), ("q3", "d29", 3), ("q4", "d8", 0)]


def write_lines(path: Path, lines: list[str]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def json_lines(path: Path, records: list[dict]) -> Path:
    return write_lines(path, [json.dumps(record) for record in records])


def write_beir(folder: Path) -> Path:
    """30 documents, d0 to d29, the text of every third without a title; q0, q1 and q3 have positives."""
    titles = ["" if number % 3 == 0 else f"Title {number}" for number in range(len(DOCIDS))]
    documents = zip(DOCIDS, titles, strict=True)
    json_lines(
        folder / "corpus.jsonl",
        [{"_id": docid, "title": title, "text": f"text of {docid}"} for docid, title in documents],
    )
    json_lines(folder / "queries.jsonl", [{"_id": qid, "text": f"about {qid}"} for qid in QUERY_IDS])
    lines = [f"{qid}\t{docid}\t{relevance}" for qid, docid, relevance in QRELS]
    write_lines(folder / "qrels" / "train.tsv", ["query-id\tcorpus-id\tscore", *lines])
    return folder


@pytest.fixture
def beir(tmp_path: Path) -> Path:
    return write_beir(tmp_path / "beir")


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"
