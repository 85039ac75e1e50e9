from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import ir_datasets
import pytest

from pyserini_dupmae.data.topics import place_of, read_topics, write_topics
from pyserini_dupmae.util.errors import UserError

TREC = """
<top>

<num> Number: 12
<title> heap queue

<desc> Description:
How do heaps work?

<narr> Narrative:
A relevant document explains sifting.

</top>

<top>

<num> Number: 3
<title> binary search

<desc> Description:
How is a sorted list searched?

<narr> Narrative:
A relevant document explains bisection.

</top>
"""


def write(path: Path, lines: list[str]) -> str:
    content = "".join(f"{line}\n" for line in lines).encode()
    path.write_bytes(gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)
    return str(path)


@pytest.mark.parametrize("name", ["topics.tsv", "topics.txt", "topics.tsv.gz", "topics.txt.gz"])
def test_tab_separated_text_in_the_order_of_the_numbers(name, tmp_path):
    path = write(tmp_path / name, ["10\tlast query", "", "9\tfirst query  ", "９\t digits"])
    assert read_topics(path) == [("9", "first query"), ("９", "digits"), ("10", "last query")]


def test_ids_that_are_not_all_numbers_are_ordered_as_text(tmp_path):
    path = write(tmp_path / "topics.tsv", ["b\tone", "10\ttwo", "9\tthree"])
    assert [qid for qid, _ in read_topics(path)] == ["10", "9", "b"]


@pytest.mark.parametrize(
    "fields", [("_id", "text"), ("id", "query"), ("id", "title"), ("qid", "query"), ("query_id", "text")]
)
@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.gz"])
def test_json_lines(fields, suffix, tmp_path):
    lines = [json.dumps(dict(zip(fields, pair, strict=True))) for pair in (("b", "x ü"), ("a", "y"))]
    assert read_topics(write(tmp_path / f"topics{suffix}", lines)) == [("a", "y"), ("b", "x ü")]


def test_the_place_of_a_topic(tmp_path):
    tsv = write(tmp_path / "topics.tsv.gz", ["10\tten", "", "1\tone"])
    jsonl = write(tmp_path / "topics.jsonl", ['{"id": 10, "query": "1"}', '{"id": 1, "query": ""}'])
    assert place_of(Path(tsv), "1") == f"{tsv}:3"
    assert place_of(Path(jsonl), "1") == f"{jsonl}:2"


def test_a_number_as_id_in_json(tmp_path):
    assert read_topics(write(tmp_path / "topics.jsonl", ['{"id": 7, "query": "q"}'])) == [("7", "q")]


@pytest.mark.parametrize("name", ["topics.trec", "topics.robust.txt", "topics"])
def test_trec_topics(name, tmp_path):
    path = tmp_path / name
    path.write_text(TREC, encoding="utf-8")
    assert read_topics(str(path)) == [("3", "binary search"), ("12", "heap queue")]


def test_trec_topics_that_the_reader_would_pass_over(tmp_path):
    path = tmp_path / "topics.trec"
    path.write_text(TREC.replace("<narr> Narrative:", ""), encoding="utf-8")
    with pytest.raises(UserError, match="has 2 <top>, but"):
        read_topics(str(path))


def test_a_name_of_pyserini(tmp_path):
    """In a process of its own, whose Java takes another folder as the home in which Pyserini keeps topics."""
    cache = tmp_path / ".cache" / "pyserini" / "topics-and-qrels"
    cache.mkdir(parents=True)
    (cache / "topics.dl20.txt").write_text("10\tsecond\n9\tfirst\n", encoding="utf-8")
    program = "from pyserini_dupmae.data.topics import read_topics; print(read_topics('dl20'))"
    environment = {**os.environ, "PYSERINI_DUPMAE_JVM_OPTS": f"-Duser.home={tmp_path}"}
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment)
    assert finished.stdout.splitlines()[-1] == "[('9', 'first'), ('10', 'second')]", finished.stderr


def test_a_dataset_of_ir_datasets(tmp_path):
    path = write(tmp_path / "queries.tsv", ["b\tsecond", "a\tfirst"])
    queries = ir_datasets.formats.TsvQueries(ir_datasets.util.LocalDownload(Path(path)))
    ir_datasets.registry.register("three-documents", ir_datasets.Dataset(queries))
    ir_datasets.registry.register("three-documents/bare", ir_datasets.Dataset())
    assert read_topics("three-documents") == [("a", "first"), ("b", "second")]
    with pytest.raises(UserError, match="has no queries"):
        read_topics("three-documents/bare")


@pytest.mark.parametrize(
    ("name", "line", "problem"),
    [
        ("t.tsv", b"7 a query without a tab\n", "no tab"),
        ("t.tsv", b"\ta query\n", "a query id must be one word"),
        ("t.tsv", b"two words\ta query\n", "a query id must be one word"),
        ("t.tsv", b"2\tcaf\xe9\n", "not UTF-8"),
        ("t.tsv", b"1\tagain\n", "the query id '1' was already given in line 1"),
        ("t.jsonl", b'{"id": "2", "text": \n', "not JSON"),
        ("t.jsonl", b'["2", "text"]\n', "a JSON list, not an object"),
        ("t.jsonl", b'{"text": "x"}\n', "none of the fields _id, id, qid, query_id"),
        ("t.jsonl", b'{"id": "2"}\n', "none of the fields text, query, title, contents"),
        ("t.jsonl", b'{"id": null, "text": "x"}\n', "the query id must be"),
        ("t.jsonl", b'{"id": "2", "text": ["x"]}\n', "the query must be a string"),
    ],
)
def test_a_malformed_line_is_named(name, line, problem, tmp_path):
    path = tmp_path / name
    first = b"1\tfine\n" if name.endswith("tsv") else b'{"id": "1", "text": "fine"}\n'
    path.write_bytes(first + line)
    with pytest.raises(UserError) as caught:
        read_topics(str(path))
    assert str(caught.value).startswith(f"{path}:2: ")
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("no-such-topics", "'no-such-topics' is no file and no name of Pyserini's topics"),
        ("nowhere/topics.tsv", "there is no topics file nowhere/topics.tsv"),
    ],
)
def test_unknown_topics(source, problem):
    with pytest.raises(UserError, match=problem):
        read_topics(source)


def test_files_that_are_no_topics(tmp_path):
    empty, unknown, damaged = tmp_path / "empty.tsv", tmp_path / "topics.xlsx", tmp_path / "topics.tsv.gz"
    empty.touch()
    unknown.write_text("x", encoding="utf-8")
    damaged.write_bytes(b"no gzip")
    for path, problem in ((empty, "holds no topics"), (unknown, "cannot tell"), (damaged, "is damaged")):
        with pytest.raises(UserError, match=problem):
            read_topics(str(path))


def test_what_is_written_is_read(tmp_path):
    write_topics(tmp_path / "topics.tsv", [("2", " two\t lines\nof text "), ("1", "one")])
    assert read_topics(tmp_path / "topics.tsv") == [("1", "one"), ("2", "two lines of text")]
