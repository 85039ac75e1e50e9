"""Teacher scores, in the forms they come in, beside their positives and negatives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pyserini_dupmae.training.data import load_training_set
from pyserini_dupmae.util.errors import UserError
from tests.helpers import write_jsonl, write_lines

NEGATIVES = [{"query_id": "q0", "negatives": ["d7", "d1", "d5"]}, {"query_id": "q1", "negatives": ["d3"]}]
SCORES = {("q0", "d3"): 8.5, ("q0", "d5"): -1.25, ("q0", "d7"): 2.0, ("q1", "d4"): 0.5, ("q3", "d11"): 3.0}


@pytest.fixture
def mined(tmp_path: Path) -> Path:
    return write_jsonl(tmp_path / "mined.jsonl", NEGATIVES)


def as_columns(path: Path) -> Path:
    lines = [f"{qid}\t{docid}\t{score}" for (qid, docid), score in SCORES.items()]
    return write_lines(path / "scores.tsv", [*lines, "q0\td3\t99", "q4\td2\t1"])


def as_json(path: Path) -> Path:
    records = [{"qid": "q4", "pos": [], "neg": {"bm25": [{"pid": "d2", "ce-score": 1}]}}]
    for qid in ("q0", "q1", "q3"):
        listed = [{"pid": docid, "ce-score": score} for (owner, docid), score in SCORES.items() if owner == qid]
        records.append({"qid": qid, "pos": [*listed[:1], "d29"], "neg": {"one": listed[1:], "other": [{"pid": "d0"}]}})
    return write_jsonl(path / "scores.jsonl", records)


@pytest.mark.parametrize("write", [as_columns, as_json])
def test_scores_are_aligned(beir, cache, tmp_path, mined, write):
    data = load_training_set(str(beir), cache, mined, write(tmp_path))
    for rows_of, scores_of in ((data.positives, data.positive_scores), (data.negatives, data.negative_scores)):
        for qid, rows, scores in zip(data.query_ids, rows_of, scores_of, strict=True):
            assert scores.dtype == np.float32
            expected = [SCORES.get((qid, data.documents.docid(int(row))), np.nan) for row in rows]
            np.testing.assert_array_equal(scores, expected)
    assert [len(scores) for scores in data.negative_scores] == [3, 1, 0]


@pytest.mark.parametrize(
    ("name", "lines", "message"),
    [
        ("s.tsv", ["q0 d3 1", "q0 d3"], "s.tsv:2: 2 columns, expected three: query id, docid, score"),
        ("s.tsv", ["q0 d3 high"], "s.tsv:1: the score 'high' is not a finite number"),
        ("s.tsv", ["q0 d3 inf"], "s.tsv:1: the score 'inf' is not a finite number"),
        ("s.tsv", ["q0 d3 1", "q9 d3 1"], "s.tsv:2: there is no query 'q9' in"),
        ("s.tsv", ["q0 d3 1", "q0 d33 1"], "s.tsv:2: there is no document 'd33' in"),
        ("s.tsv", [], "has no score for any query of"),
        ("s.tsv", ["q0 d9 1"], "has no score of a positive or a negative of"),
        (
            "s.jsonl",
            ['{"qid": "q0", "pos": [{"pid": "d3", "ce-score": true}], "neg": {}}'],
            "s.jsonl:1: the score True is",
        ),
        ("s.jsonl", ['{"qid": "q0", "neg": {}}'], "s.jsonl:1: 'pos' and each system of 'neg' must be lists"),
        ("s.jsonl", ['{"query_id": "q0", "negatives": ["d1"]}'], "s.jsonl:1: no field 'qid'"),
    ],
)
def test_bad_lines_are_named(beir, cache, tmp_path, mined, name, lines, message):
    with pytest.raises(UserError) as caught:
        load_training_set(str(beir), cache, mined, write_lines(tmp_path / name, lines))
    assert message in str(caught.value)
