"""Hard negatives and teacher scores: every form gives the same lists, and a line that cannot be used is named."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from pyserini_dupmae.training.data import load_training_set
from pyserini_dupmae.util.errors import UserError
from tests.helpers import write_jsonl, write_lines


def negatives(beir: Path, cache: Path, path: Path) -> dict[str, list[str]]:
    data = load_training_set(str(beir), cache, path)
    return {
        qid: [data.documents.docid(int(row)) for row in rows]
        for qid, rows in zip(data.query_ids, data.negatives, strict=True)
    }


EXPECTED = {"q0": ["d7", "d1", "d5"], "q1": ["d3"], "q3": []}
# With a positive (d4), a docid that comes twice, and a query without positives (q4).
MINED = [("q1", ["d3", "d4"]), ("q0", ["d7", "d4", "d1", "d7", "d5"]), ("q4", ["d2"])]


def test_mined_negatives(beir, cache, tmp_path, caplog):
    lines = [json.dumps({"query_id": qid, "negatives": docids}) for qid, docids in MINED]
    path = tmp_path / "mined.jsonl.gz"
    path.write_bytes(gzip.compress("\n".join(lines).encode()))
    with caplog.at_level("INFO", "pyserini_dupmae"):
        assert negatives(beir, cache, path) == EXPECTED
    assert "2 negatives are positives of their query and are dropped" in caplog.text


def test_a_query_on_several_lines(beir, cache, tmp_path):
    lines = [{"query_id": qid, "negatives": [docid]} for qid, docids in MINED for docid in docids]
    assert negatives(beir, cache, write_jsonl(tmp_path / "mined.jsonl", lines[::2] + lines[1::2]))["q1"] == ["d3"]
    assert negatives(beir, cache, write_jsonl(tmp_path / "mined.jsonl", lines)) == EXPECTED


def test_msmarco_hard_negatives(beir, cache, tmp_path):
    """The systems in turn: the first of each, then the second of each."""
    plain = [
        {"qid": "q0", "pos": ["d3"], "neg": {"bm25": ["d7", "d1"], "dense": ["d4", "d7", "d5"]}},
        {"qid": "q1", "pos": ["d4"], "neg": {"bm25": ["d3"], "dense": []}},
    ]
    assert negatives(beir, cache, write_jsonl(tmp_path / "hard.jsonl", plain)) == EXPECTED
    scored = [
        {"qid": "q0", "pos": [], "neg": {"bm25": [{"pid": docid, "ce-score": 1.5} for docid in ("d7", "d1", "d5")]}},
        {"qid": "q1", "pos": [], "neg": {"bm25": [{"pid": "d3", "ce-score": -3}]}},
    ]
    assert negatives(beir, cache, write_jsonl(tmp_path / "scored.jsonl", scored)) == EXPECTED


def test_numbers_as_ids(tmp_path, cache):
    folder = tmp_path / "msmarco"
    write_lines(folder / "collection.tsv", [f"{number}\ttext" for number in range(10)])
    write_lines(folder / "queries.train.tsv", ["100\tquery"])
    write_lines(folder / "qrels.train.tsv", ["100\t0\t7\t1"])
    path = write_jsonl(tmp_path / "hard.jsonl", [{"qid": 100, "pos": [7], "neg": {"bm25": [3, 2]}}])
    assert negatives(folder, cache, path) == {"100": ["3", "2"]}


@pytest.mark.parametrize(
    "lines",
    [
        [f"{qid}\td3\t{docid}" for qid, docids in MINED for docid in docids],
        [f"{qid}\t{docid}\t{rank}" for qid, docids in MINED for rank, docid in enumerate(dict.fromkeys(docids), 1)],
        # Scores decide, not the order of the lines.
        [
            f"{qid} Q0 {docid} {rank} {10 - rank} tag"
            for qid, docids in MINED
            for rank, docid in reversed(list(enumerate(dict.fromkeys(docids), 1)))
        ],
    ],
    ids=["triples", "msmarco run", "trec run"],
)
def test_negatives_in_columns(beir, cache, tmp_path, lines):
    assert negatives(beir, cache, write_lines(tmp_path / "negatives.tsv", lines)) == EXPECTED


@pytest.mark.parametrize(
    ("name", "lines", "message"),
    [
        ("n.jsonl", ['{"query_id": "q0", "negatives": ["d1"]}', "{"], "n.jsonl:2: not JSON"),
        ("n.jsonl", ['{"query_id": "q0", "negatives": ["d1", "d50"]}'], "n.jsonl:1: there is no document 'd50' in"),
        (
            "n.jsonl",
            ['{"query_id": "q0", "negatives": ["d1"]}'] * 2 + ['{"query_id": "q9", "negatives": []}'],
            "n.jsonl:3: there is no query 'q9' in",
        ),
        ("n.jsonl", ['{"query_id": "q0", "negatives": "d1"}'], "n.jsonl:1: 'negatives' must be a list"),
        ("n.jsonl", ['{"query_id": "q0", "negatives": [1.5]}'], "n.jsonl:1: 1.5 is no id"),
        ("n.jsonl", ['{"query_id": null, "negatives": []}'], "n.jsonl:1: None is no id"),
        ("n.jsonl", ['{"query": "q0", "negatives": []}'], "n.jsonl:1: no field 'qid'"),
        ("n.jsonl", ['{"qid": "q0", "neg": ["d1"]}'], "n.jsonl:1: 'neg' must be an object"),
        (
            "n.jsonl",
            ['{"qid": "q0", "neg": {"bm25": "d1"}}'],
            "n.jsonl:1: 'pos' and each system of 'neg' must be lists",
        ),
        ("n.jsonl", ['{"qid": "q0", "neg": {"bm25": [{"ce-score": 1}]}}'], "n.jsonl:1: None is no id"),
        ("n.tsv", ["q0 d3 d1", "q0 d3"], "n.tsv:2: 2 columns"),
        ("n.tsv", ["q0 d3 d1", "q0 d3 d60"], "n.tsv:2: there is no document 'd60'"),
        ("n.tsv", ["q0 d1 1", "q0 d2 second"], "n.tsv:2: the rank 'second' is not a finite number"),
        ("n.trec", ["q0 Q0 d1 1 nan tag"], "n.trec:1: the score 'nan' is not a finite number"),
        ("n.jsonl", [], "has no negative for any query"),
        ("n.tsv", [], "has no negative for any query"),
        ("n.tsv", ["q4 d8 d1"], "has no negative for any query"),
        ("n.tsv", ["q0 d3 d4"], "has no negative for any query"),
    ],
)
def test_bad_lines_of_negatives_are_named(beir, cache, tmp_path, name, lines, message):
    with pytest.raises(UserError) as caught:
        load_training_set(str(beir), cache, write_lines(tmp_path / name, lines))
    assert message in str(caught.value)


def test_a_missing_file(beir, cache, tmp_path):
    for name in ("nowhere.jsonl", "nowhere.tsv"):
        with pytest.raises(UserError, match=f"cannot read .*{name}"):
            load_training_set(str(beir), cache, tmp_path / name)


LISTED = [{"query_id": "q0", "negatives": ["d7", "d1", "d5"]}, {"query_id": "q1", "negatives": ["d3"]}]
SCORES = {("q0", "d3"): 8.5, ("q0", "d5"): -1.25, ("q0", "d7"): 2.0, ("q1", "d4"): 0.5, ("q3", "d11"): 3.0}


@pytest.fixture
def mined(tmp_path: Path) -> Path:
    return write_jsonl(tmp_path / "mined.jsonl", LISTED)


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
def test_bad_lines_of_scores_are_named(beir, cache, tmp_path, mined, name, lines, message):
    with pytest.raises(UserError) as caught:
        load_training_set(str(beir), cache, mined, write_lines(tmp_path / name, lines))
    assert message in str(caught.value)
