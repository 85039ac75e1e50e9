"""Files with the texts in them: one document for equal texts, one query for equal queries."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from pyserini_dupmae.training.data import TrainingSet, load_training_set
from pyserini_dupmae.util.errors import UserError
from tests.helpers import write_jsonl, write_lines

OWN = [
    {"query": "one", "positives": ["a", "b"], "negatives": ["c", "a", "d"]},
    {"query": "two", "positives": ["c"]},
    {"query": " one ", "positives": ["b "], "negatives": ["e", "c"]},
]


def by_text(data: TrainingSet) -> dict[str, tuple[list[str], list[str]]]:
    return {
        query: (data.documents.texts(positives), data.documents.texts(negatives))
        for query, positives, negatives in zip(data.queries, data.positives, data.negatives, strict=True)
    }


def test_texts_in_json(tmp_path, cache):
    data = load_training_set(str(write_jsonl(tmp_path / "train.jsonl", OWN)), cache)
    assert by_text(data) == {"one": (["a", "b"], ["c", "d", "e"]), "two": (["c"], [])}
    assert sorted(data.documents.texts(range(len(data.documents)))) == ["a", "b", "c", "d", "e"]
    assert data.name == str(tmp_path / "train.jsonl")
    assert data.positive_scores is None


def test_ids_are_those_of_the_texts(tmp_path, cache):
    one = load_training_set(str(write_jsonl(tmp_path / "one.jsonl", OWN)), cache)
    other = load_training_set(str(write_jsonl(tmp_path / "other.jsonl", OWN[::-1])), cache)
    assert dict(zip(one.queries, one.query_ids, strict=True)) == dict(zip(other.queries, other.query_ids, strict=True))
    assert sorted(map(one.documents.docid, range(5))) == sorted(map(other.documents.docid, range(5)))


@pytest.mark.parametrize("name", ["triples.tsv", "triples.tsv.gz"])
def test_triples_of_texts(tmp_path, cache, name):
    text = "one\ta\tc\ntwo\tc\td\none\tb\td\none\ta\tc\n"
    (tmp_path / name).write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    data = load_training_set(str(tmp_path / name), cache)
    assert by_text(data) == {"one": (["a", "b"], ["c", "d"]), "two": (["c"], ["d"])}


OWN_SCORES = {
    "query": "q",
    "positives": ["a"],
    "negatives": ["b", "c"],
    "scores": {"positives": [3], "negatives": [2, -1]},
}
FLAG = {"query": "q", "pos": ["a"], "neg": ["b", "c"], "pos_scores": [3], "neg_scores": [2, -1]}


@pytest.mark.parametrize("record", [OWN_SCORES, FLAG])
def test_scores_beside_the_texts(tmp_path, cache, record):
    records = [record, {"query": "unscored", "pos": ["b"], "neg": ["c"]}]
    data = load_training_set(str(write_jsonl(tmp_path / "train.jsonl", records)), cache)
    scored, unscored = data.queries.index("q"), data.queries.index("unscored")
    assert by_text(data)["q"] == (["a"], ["b", "c"])
    assert data.positive_scores[scored].tolist() == [3]
    assert data.negative_scores[scored].tolist() == [2, -1]
    assert data.negative_scores[scored].dtype == np.float32
    assert np.isnan(data.positive_scores[unscored]).all()
    assert np.isnan(data.negative_scores[unscored]).all()


def test_a_file_of_negatives_takes_the_place_of_those_inline(tmp_path, cache):
    source = str(write_jsonl(tmp_path / "train.jsonl", OWN))
    data = load_training_set(source, cache)
    docids = {text: data.documents.docid(row) for row, text in enumerate(data.documents.texts(range(5)))}
    qid = data.query_ids[data.queries.index("two")]
    mined = write_jsonl(tmp_path / "mined.jsonl", [{"query_id": qid, "negatives": [docids["e"], docids["a"]]}])
    assert by_text(load_training_set(source, cache, mined)) == {"one": (["a", "b"], []), "two": (["c"], ["e", "a"])}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"query": "x", ', "not JSON"),
        ('["x"]', "a JSON list, not an object"),
        ('{"query": "x", "neg": ["a"]}', "no positives"),
        ('{"query": "x", "positives": []}', "no positives"),
        ('{"query": "x", "positives": "a"}', "must be lists"),
        ('{"query": "x", "positives": ["a"], "negatives": "b"}', "must be lists"),
        ('{"positives": ["a"]}', "is None, not a text"),
        ('{"query": " ", "positives": ["a"]}', "is empty"),
        ('{"query": "x", "positives": ["a", ""]}', "is empty"),
        ('{"query": "x", "positives": [7]}', "is 7, not a text"),
        ('{"query": "\\ud800", "positives": ["a"]}', "surrogate"),
        ('{"query": "x", "pos": ["a"], "pos_scores": []}', "0 scores for 1 texts"),
        ('{"query": "x", "pos": ["a"], "pos_scores": [NaN]}', "the score nan is not a finite number"),
        ('{"query": "x", "pos": ["a"], "pos_scores": ["good"]}', "the score 'good' is not a finite number"),
        ('{"query": "x", "positives": ["a"], "scores": [1]}', "scores must be"),
        ('{"query": "x", "positives": ["a"], "scores": {"positives": 1}}', "must be lists"),
    ],
)
def test_bad_lines_are_named(tmp_path: Path, cache: Path, line: str, message: str) -> None:
    path = write_lines(tmp_path / "train.jsonl", [json.dumps(OWN[0]), line])
    with pytest.raises(UserError) as caught:
        load_training_set(str(path), cache)
    assert str(caught.value).startswith(f"{path}:2: ")
    assert message in str(caught.value)


def test_bad_triples_are_named(tmp_path, cache):
    for line, message in [("q\ta", "2 columns"), ("q\ta\t ", "is empty"), ("\ta\tb", "is empty")]:
        path = write_lines(tmp_path / "triples.tsv", ["q\ta\tb", line])
        with pytest.raises(UserError, match=rf"triples\.tsv:2: .*{message}"):
            load_training_set(str(path), cache)


def test_a_file_of_another_kind_and_an_empty_one(tmp_path, cache):
    for name, message in [
        ("train.txt", "neither .jsonl nor .tsv"),
        ("train.jsonl", "holds no"),
        ("train.tsv", "holds no"),
    ]:
        (tmp_path / name).write_text("")
        with pytest.raises(UserError, match=message):
            load_training_set(str(tmp_path / name), cache)
