"""The forms that collections come in, brought into the forms that the commands read."""

from __future__ import annotations

import gzip
import hashlib
import json
import zipfile
from pathlib import Path

import pytest

from pyserini_dupmae.data.qrels import read_qrels
from pyserini_dupmae.data.topics import read_topics
from pyserini_dupmae.experiments.made_up import generate
from pyserini_dupmae.experiments.prepare import unpack, write_docstrings, write_topic_set
from pyserini_dupmae.util.errors import UserError


def test_topics_of_a_beir_split_are_those_that_are_judged(tmp_path: Path) -> None:
    queries, qrels = tmp_path / "queries.jsonl", tmp_path / "dev.tsv"
    queries.write_text("".join(json.dumps({"_id": f"q{i}", "text": f"query\tnumber {i}"}) + "\n" for i in range(3)))
    qrels.write_text("query-id\tcorpus-id\tscore\nq2\td1\t2\nq0\td2\t0\n")
    write_topic_set(str(queries), str(qrels), tmp_path / "out", judged_only=True)
    assert (tmp_path / "out" / "topics.tsv").read_text() == "q0\tquery number 0\nq2\tquery number 2\n"
    assert (tmp_path / "out" / "qrels.txt").read_text() == "q2 0 d1 2\nq0 0 d2 0\n"


@pytest.mark.parametrize(("most", "kept"), [(2, ["q0", "q2"]), (3, ["q0", "q1", "q3"]), (9, None)])
def test_so_many_judged_queries_are_spread_evenly(tmp_path: Path, most: int, kept: list[str] | None) -> None:
    """``q5`` has no judgement."""
    queries, qrels = tmp_path / "queries.tsv", tmp_path / "qrels.txt"
    queries.write_text("".join(f"q{number}\ttext {number}\n" for number in range(6)))
    qrels.write_text("".join(f"q{number} 0 d{number} 1\n" for number in range(5)))
    write_topic_set(str(queries), str(qrels), tmp_path / "out", judged_only=True, most=most)
    expected = kept or [f"q{number}" for number in range(5)]
    assert [qid for qid, _ in read_topics(tmp_path / "out" / "topics.tsv")] == expected
    assert list(read_qrels(tmp_path / "out" / "qrels.txt")) == expected


def test_queries_without_judgements_stay(tmp_path: Path) -> None:
    queries, qrels = tmp_path / "queries.tsv.gz", tmp_path / "qrels.txt"
    queries.write_bytes(gzip.compress(b"19335\tanthropology definition\n47923\taxon terminals\n", mtime=0))
    qrels.write_text("19335 Q0 1017759 0\n19335 Q0 1082489 3\n")
    write_topic_set(str(queries), str(qrels), tmp_path / "out")
    assert (tmp_path / "out" / "topics.tsv").read_text() == "19335\tanthropology definition\n47923\taxon terminals\n"
    qrels.write_text("1 0 2 1\n")
    with pytest.raises(UserError, match=r"none of the queries of .* is judged"):
        write_topic_set(str(queries), str(qrels), tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_unpacking_checks_the_checksum(tmp_path: Path) -> None:
    archive = tmp_path / "cqadupstack.zip"
    with zipfile.ZipFile(archive, "w") as stream:
        stream.writestr("cqadupstack/unix/corpus.jsonl", "corpus")
        stream.writestr("cqadupstack/unix/qrels/test.tsv", "qrels")
        stream.writestr("cqadupstack/unixlike/corpus.jsonl", "another")
    out = tmp_path / "out"
    with pytest.raises(UserError, match="damaged or another version: its MD5 is"):
        unpack(archive, "cqadupstack/unix", out, md5="0" * 32)
    with pytest.raises(UserError, match="has no folder cqadupstack/tex"):
        unpack(archive, "cqadupstack/tex", out)
    assert not out.exists()
    md5 = hashlib.md5(archive.read_bytes()).hexdigest()
    unpack(archive, "cqadupstack/unix", out, md5=md5)
    files = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    assert files == {"corpus.jsonl", "qrels/test.tsv"}
    archive.write_bytes(b"PK no more")
    with pytest.raises(UserError, match="is damaged"):
        unpack(archive, "cqadupstack/unix", out)


@pytest.mark.parametrize("name", ["a/../../thesis.txt", "a/b/../../../thesis.txt", "a//tmp/thesis.txt", "a/.."])
def test_nothing_is_unpacked_outside_of_the_folder(tmp_path: Path, name: str) -> None:
    archive, thesis = tmp_path / "a.zip", tmp_path / "thesis.txt"
    thesis.write_text("years of work")
    with zipfile.ZipFile(archive, "w") as stream:
        stream.writestr("a/corpus.jsonl", "corpus")
        stream.writestr(name, "gone")
    with pytest.raises(UserError, match="would lie outside"):
        unpack(archive, "a", tmp_path / "out")
    assert thesis.read_text() == "years of work"
    assert not (tmp_path / "out").exists()


def test_an_archive_that_is_not_there_or_has_lost_its_content(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"there is no file .*a\.zip"):
        unpack(tmp_path / "a.zip", "a", tmp_path / "out")
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as stream:
        stream.writestr("a/corpus.jsonl", "corpus" * 100)
    data = bytearray((tmp_path / "a.zip").read_bytes())
    data[45:50] = b"\xff" * 5
    (tmp_path / "a.zip").write_bytes(data)
    with pytest.raises(UserError, match="is damaged"):
        unpack(tmp_path / "a.zip", "a", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_of_something_else_is_not_replaced(tmp_path: Path) -> None:
    thesis = tmp_path / "out" / "thesis.txt"
    thesis.parent.mkdir()
    thesis.write_text("years of work")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as stream:
        stream.writestr("a/corpus.jsonl", "corpus")
    for work in (
        lambda: unpack(tmp_path / "a.zip", "a", tmp_path / "out"),
        lambda: write_docstrings(tmp_path / "out", queries=1),
        lambda: write_topic_set("topics", "qrels", tmp_path / "out"),
        lambda: generate(tmp_path / "out"),
    ):
        with pytest.raises(UserError, match="which is not deleted"):
            work()
    assert thesis.read_text() == "years of work"


@pytest.mark.slow
def test_docstrings_with_a_limit_keep_every_answer(tmp_path: Path) -> None:
    write_docstrings(tmp_path / "out", queries=30, documents=200)
    corpus = [json.loads(line) for line in (tmp_path / "out" / "corpus.jsonl").read_text().splitlines()]
    queries = [json.loads(line) for line in (tmp_path / "out" / "queries.jsonl").read_text().splitlines()]
    judged = (tmp_path / "out" / "qrels" / "test.tsv").read_text().splitlines()
    assert (len(corpus), len(queries), len(judged)) == (200, 30, 31)
    assert {query["_id"] for query in queries} <= {document["_id"] for document in corpus}
