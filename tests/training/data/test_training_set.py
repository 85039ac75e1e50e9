"""Every kind of source gives the same training set, and what is said of those that cannot be read."""

from __future__ import annotations

import gzip
import multiprocessing
from pathlib import Path

import ir_datasets
import numpy as np
import pytest

from pyserini_dupmae.training.data import load_training_set
from pyserini_dupmae.util.errors import UserError
from tests.helpers import write_lines

from .conftest import DOCIDS, QRELS, QUERY_IDS, small_beir


def check(data, documents: list[str] = DOCIDS) -> None:
    assert [data.documents.docid(row) for row in range(len(data.documents))] == documents
    assert data.query_ids == ["q0", "q1", "q3"]
    assert data.queries == ["about q0", "about q1", "about q3"]
    expected = [[("d3", 1), ("d4", 2)], [("d4", 1)], [("d29", 3)]]
    found = [
        [(data.documents.docid(int(row)), int(value)) for row, value in zip(rows, values, strict=True)]
        for rows, values in zip(data.positives, data.relevance, strict=True)
    ]
    assert found == expected
    assert [rows.dtype for rows in data.positives] == [np.int64] * 3
    assert [len(rows) for rows in data.negatives] == [0, 0, 0]
    assert data.positive_scores is None
    assert data.negative_scores is None


def test_beir(beir, cache):
    data = load_training_set(str(beir), cache)
    check(data)
    assert data.name == str(beir)
    assert data.documents.texts([1, 0]) == ["Title 1 text of d1", "text of d0"]


def test_a_split_is_named_or_the_only_one_or_train(beir, cache):
    (beir / "qrels" / "train.tsv").rename(beir / "qrels" / "dev.tsv")
    check(load_training_set(str(beir), cache))
    check(load_training_set(f"{beir}:dev", cache))
    write_lines(beir / "qrels" / "test.tsv", ["query-id\tcorpus-id\tscore", "q5\td0\t1"])
    assert load_training_set(f"{beir}:test", cache).query_ids == ["q5"]
    with pytest.raises(UserError, match="no judgements of the split 'train': it has dev, test; give DIR:SPLIT"):
        load_training_set(str(beir), cache)


def test_ms_marco(tmp_path, cache):
    folder = tmp_path / "msmarco"
    write_lines(folder / "collection.tsv", [f"{docid}\ttext of {docid}" for docid in DOCIDS])
    write_lines(folder / "queries.train.tsv", [f"{qid}\tabout {qid}" for qid in QUERY_IDS])
    write_lines(folder / "queries.dev.small.tsv", ["x\tanother"])
    write_lines(folder / "qrels.train.tsv", [f"{qid}\t0\t{docid}\t{relevance}" for qid, docid, relevance in QRELS])
    write_lines(folder / "qrels.dev.small.tsv", ["x\t0\td0\t1"])
    check(load_training_set(str(folder), cache))
    assert load_training_set(f"{folder}:dev.small", cache).queries == ["another"]


def test_compressed_files(beir, cache):
    for name in ("corpus.jsonl", "queries.jsonl", "qrels/train.tsv"):
        (beir / f"{name}.gz").write_bytes(gzip.compress((beir / name).read_bytes()))
        (beir / name).unlink()
    check(load_training_set(str(beir), cache))


def test_ir_datasets(tmp_path, cache):
    docs = write_lines(tmp_path / "docs.tsv", [f"{docid}\ttext of {docid}" for docid in DOCIDS])
    queries = write_lines(tmp_path / "queries.tsv", [f"{qid}\tabout {qid}" for qid in QUERY_IDS])
    qrels = write_lines(tmp_path / "qrels.txt", [f"{qid} 0 {docid} {value}" for qid, docid, value in QRELS])
    dataset = ir_datasets.create_dataset(docs_tsv=str(docs), queries_tsv=str(queries), qrels_trec=str(qrels))
    ir_datasets.registry.register("dupmae-training-data", dataset)
    try:
        check(load_training_set("ir_datasets:dupmae-training-data", cache))
    finally:
        ir_datasets.registry._registered.pop("dupmae-training-data")
    with pytest.raises(UserError, match="'dupmae-nothing' is no dataset of ir_datasets"):
        load_training_set("ir_datasets:dupmae-nothing", cache)


def test_a_changed_file_is_read_again_and_an_unchanged_one_is_not(beir, cache):
    load_training_set(str(beir), cache)
    before = sorted(cache.iterdir())
    load_training_set(str(beir), cache)
    assert sorted(cache.iterdir()) == before
    corpus = (beir / "corpus.jsonl").read_text()
    (beir / "corpus.jsonl").write_text(corpus.replace("text of d4", "another text"))
    data = load_training_set(str(beir), cache)
    assert data.documents.texts([4]) == ["Title 4 another text"]


def test_an_interrupted_build_leaves_nothing(beir, cache):
    good = (beir / "corpus.jsonl").read_text()
    (beir / "corpus.jsonl").write_text(good + "{}\n")
    with pytest.raises(UserError):
        load_training_set(str(beir), cache)
    assert all(path.suffix == ".lock" for path in cache.iterdir())
    (beir / "corpus.jsonl").write_text(good)
    check(load_training_set(str(beir), cache))


def _load(source: str, cache: Path, results) -> None:
    data = load_training_set(source, cache)
    results.put((data.query_ids, [rows.tolist() for rows in data.positives], len(data.documents)))


def test_processes_that_start_at_once(tmp_path, cache):
    folder = small_beir(tmp_path / "beir")
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    processes = [context.Process(target=_load, args=(str(folder), cache, results)) for _ in range(4)]
    for process in processes:
        process.start()
    found = [results.get(timeout=60) for _ in processes]
    for process in processes:
        process.join()
    assert found == [(["q0", "q1", "q3"], [[3, 4], [4], [29]], 30)] * 4
    assert not list(cache.glob("*.tmp"))


@pytest.mark.parametrize(
    ("file", "line", "message"),
    [
        ("qrels/train.tsv", "q1\td77\t1", "train.tsv:8: there is no document 'd77' in the corpus of"),
        ("qrels/train.tsv", "q1\td77\t0", "train.tsv:8: there is no document 'd77' in the corpus of"),
        ("qrels/train.tsv", "q9\td1\t1", "train.tsv:8: there is no query 'q9' in"),
        ("qrels/train.tsv", "q1\td1", "train.tsv:8: 2 columns?, expected"),
        ("qrels/train.tsv", "q1\td4\t0", "train.tsv:8: query q1, document d4 is judged 0, but 1 before"),
        ("queries.jsonl", '{"_id": "q7", "text": ', "queries.jsonl:7: not JSON"),
        ("queries.jsonl", '{"_id": "q1", "text": "again"}', "queries.jsonl:7: the query id 'q1' was already given"),
        ("corpus.jsonl", '{"_id": "d40"}', "corpus.jsonl:31: no contents and no text"),
        ("corpus.jsonl", "[]", "corpus.jsonl:31: a JSON list, not an object"),
        ("corpus.jsonl", '{"_id": "d3", "text": ""}', r"'d3' occurs twice \(documents 4 and 31\)"),
    ],
)
def test_bad_lines_are_named(beir, cache, file, line, message):
    with open(beir / file, "a", encoding="utf-8") as stream:
        stream.write(line + "\n")
    with pytest.raises(UserError, match=message):
        load_training_set(str(beir), cache)


def test_an_empty_query_is_an_error_when_it_would_be_used(beir, cache):
    text = (beir / "queries.jsonl").read_text()
    (beir / "queries.jsonl").write_text(text.replace("about q2", " "))
    check(load_training_set(str(beir), cache))
    (beir / "queries.jsonl").write_text(text.replace("about q1", " "))
    with pytest.raises(UserError, match=r"queries.jsonl:2: the query 'q1' is empty"):
        load_training_set(str(beir), cache)


@pytest.mark.parametrize("missing", ["corpus.jsonl", "queries.jsonl", "qrels/train.tsv"])
def test_missing_files_are_named(beir, cache, missing):
    (beir / missing).unlink()
    with pytest.raises(
        UserError, match="no judgements of the split 'train'" if "qrels" in missing else f"no {missing}"
    ):
        load_training_set(str(beir), cache)


def test_no_positive_and_no_source(beir, cache):
    write_lines(beir / "qrels" / "train.tsv", ["query-id\tcorpus-id\tscore", "q0\td3\t0"])
    with pytest.raises(UserError, match="no query has a document of relevance 1 or more"):
        load_training_set(str(beir), cache)
    for source in ("nowhere", "nowhere:train", str(beir / "nothing.jsonl")):
        with pytest.raises(UserError, match=f"there is no training data '{source}'"):
            load_training_set(source, cache)
