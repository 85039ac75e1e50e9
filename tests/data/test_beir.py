"""What is written in BEIR's layout is what every reader finds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pyserini_dupmae.data.beir import write_beir
from pyserini_dupmae.data.judged_collection import find_collection
from pyserini_dupmae.data.qrels import read_qrels

TEXTS = {"d2": "Wärme \u2028 rises", "d1": "", "d3": '"quoted"\tand\nbroken'}


@pytest.mark.parametrize("escape", [False, True])
def test_what_is_written_is_read(tmp_path: Path, escape: bool) -> None:
    with write_beir(tmp_path / "beir", ["train", "dev"], escape=escape) as collection:
        for docid, text in TEXTS.items():
            collection.document(docid, text)
        collection.query("q1", "why?")
        collection.query("q2", "ü")
        collection.judgement("train", "q2", "d3", 2)
        collection.judgement("train", "q2", "d1", 0)
        collection.judgement("dev", "q1", "d1")
    found = find_collection(f"{tmp_path}/beir:dev")
    assert list(found.documents()) == [(docid, text.strip()) for docid, text in TEXTS.items()]
    assert found.read_topics() == [("q1", "why?"), ("q2", "ü")]
    assert read_qrels(found.qrels) == {"q1": {"d1": 1}}
    assert read_qrels(find_collection(f"{tmp_path}/beir").qrels) == {"q2": {"d3": 2, "d1": 0}}
    corpus = (tmp_path / "beir" / "corpus.jsonl").read_bytes()
    assert corpus.isascii() == escape
    assert [json.loads(line) for line in corpus.decode().split("\n")[:-1]] == [
        {"_id": docid, "text": text} for docid, text in TEXTS.items()
    ]


def test_a_split_without_judgements_has_a_file(tmp_path: Path) -> None:
    with write_beir(tmp_path, ["train"]):
        pass
    assert (tmp_path / "qrels" / "train.tsv").read_text() == "query-id\tcorpus-id\tscore\n"
