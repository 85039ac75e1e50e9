"""Qrels in every form, and every line that cannot be used."""

import gzip

import ir_datasets
import pytest

from pyserini_dupmae.data.qrels import read_qrels, write_qrels
from pyserini_dupmae.util.errors import UserError

EXPECTED = {"q1": {"a": 2, "b": 0}, "q2": {"c": 1}}


@pytest.mark.parametrize(
    "text",
    [
        "q1 0 a 2\nq1 0 b 0\nq2 0 c 1\n",
        "q1\t0\ta\t2\nq1\t0\tb\t0\nq2\t0\tc\t1\n",
        "q1  Q0   a 2\r\nq1 0 b 0\r\n\r\nq2 0 c 1\r\n",
        "query-id\tcorpus-id\tscore\nq1\ta\t2\nq1\tb\t0\nq2\tc\t1\n",
        "q1 0 a 2\nq1 0 b 0\nq2 0 c 1\nq1 0 a 2\n",
    ],
)
@pytest.mark.parametrize("name", ["qrels.txt", "qrels.tsv.gz"])
def test_forms(tmp_path, text, name):
    path = tmp_path / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    assert read_qrels(path) == EXPECTED


def test_beir_docids_may_have_spaces(tmp_path):
    path = tmp_path / "test.tsv"
    path.write_text("query-id\tcorpus-id\tscore\n1\tNew York\t1\n")
    assert read_qrels(path) == {"1": {"New York": 1}}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("q1 0 a 2\nq1 0 b\n", "qrels.txt:2: 3 columns, expected qid iteration docid relevance"),
        ("q1\ta\t1\n", "qrels.txt:1: 3 columns"),
        ("query-id\tcorpus-id\tscore\n1 2 1\n", "qrels.txt:2: 1 columns, expected tab-separated query-id"),
        ("q1 0 a 2\nq1 0 b good\n", "qrels.txt:2: relevance 'good'"),
        ("q1 0 a 0.5\n", "qrels.txt:1: relevance '0.5'"),
        ("q1 0 a 2\nq2 0 a 1\nq1 0 a 0\n", "qrels.txt:3: query q1, document a is judged 0, but 2 before"),
        ("\n", "qrels.txt holds no judgement"),
    ],
)
def test_bad_lines_are_named(tmp_path, text, says):
    path = tmp_path / "qrels.txt"
    path.write_text(text)
    with pytest.raises(UserError) as error:
        read_qrels(path)
    assert says in str(error.value)


def test_header_alone_is_refused(tmp_path):
    path = tmp_path / "qrels.tsv"
    path.write_text("query-id\tcorpus-id\tscore\n")
    with pytest.raises(UserError, match="no judgement"):
        read_qrels(path)


def test_ir_datasets_id(tmp_path):
    path = tmp_path / "qrels.txt"
    path.write_text("q1 0 a 2\nq1 0 b 0\nq2 0 c 1\n")
    dataset = ir_datasets.create_dataset(docs_tsv=str(path), qrels_trec=str(path))
    ir_datasets.registry.register("dupmae-test", dataset)
    ir_datasets.registry.register("dupmae-test/unjudged", ir_datasets.create_dataset(docs_tsv=str(path)))
    assert read_qrels("dupmae-test") == EXPECTED
    with pytest.raises(UserError, match="has no judgements"):
        read_qrels("dupmae-test/unjudged")
    with pytest.raises(UserError, match="is no file and no dataset of ir_datasets"):
        read_qrels("dupmae-test/absent")


def test_what_is_written_is_read(tmp_path):
    write_qrels(tmp_path / "qrels.txt", EXPECTED)
    assert (tmp_path / "qrels.txt").read_text() == "q1 0 a 2\nq1 0 b 0\nq2 0 c 1\n"
    assert read_qrels(tmp_path / "qrels.txt") == EXPECTED
