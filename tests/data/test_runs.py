"""Runs: both forms, gzip, trec_eval's order, and every line that cannot be used."""

import gzip

import pytest

from pyserini_dupmae.data.runs import Run, read_run
from pyserini_dupmae.util.errors import UserError

TREC = "q1 Q0 a 1 9.5 tag\nq1 Q0 b 2 7 tag\nq2 Q0 a 1 -1e-3 tag\n"


def written(tmp_path, text, name="run.txt"):
    path = tmp_path / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return path


@pytest.mark.parametrize("name", ["run.txt", "run.txt.gz"])
@pytest.mark.parametrize(
    "text", [TREC, TREC.replace(" ", "\t"), TREC.replace("\n", "\r\n"), "\n" + TREC + " \n", "\ufeff" + TREC]
)
def test_trec_form(tmp_path, name, text):
    run = read_run(written(tmp_path, text, name))
    assert run.scores == {"q1": {"a": 9.5, "b": 7.0}, "q2": {"a": -0.001}}
    assert run.ranks == {"q1": [1, 2], "q2": [1]}


def test_msmarco_form_is_ordered_by_rank(tmp_path):
    run = read_run(written(tmp_path, "7\t30\t2\n7\t10\t1\n7\t20\t11\n"))
    assert run.ranking("7") == ["10", "30", "20"]
    assert run.stated_ranks("7") == {"30": 2, "10": 1, "20": 11}


def test_order_is_by_single_precision_and_then_by_falling_docid():
    run = Run({"q": {"b": 1.0, "a": 1.00000001, "c": 1.0, "d": 2.0, "é": 1.0, "z": 0.5}})
    assert run.ranking("q") == ["d", "é", "c", "b", "a", "z"]
    assert run.stated_ranks("q")["a"] == 5


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("q1 Q0 a 1 9.5\n", "run.txt:1: 5 columns; a run has 6"),
        ("q1 a\n", "run.txt:1: 2 columns"),
        (TREC + "q2 b 2\n", "run.txt:4: 3 columns, but the lines before have 6"),
        ("q1\ta\t1\nq1 Q0 b 2 7 tag\n", "run.txt:2: 6 columns, but the lines before have 3"),
        (TREC + "q2 Q0 b 2 high tag\n", "run.txt:4: rank '2' or score 'high'"),
        (TREC + "q2 Q0 b second 0.5 tag\n", "run.txt:4: rank 'second'"),
        (TREC + "q2 Q0 b 2 nan tag\n", "run.txt:4: the score is nan"),
        (TREC + "\nq1 Q0 a 3 1 tag\n", "run.txt:5: query q1 has document a twice"),
        ("q1\ta\tfirst\n", "run.txt:1: rank 'first'"),
        ("q1\ta\t1\nq1\tb\t1\n", "run.txt, query q1: rank 1 stands twice"),
        ("q1\ta\t0\n", "run.txt, query q1: rank 0"),
        ("", "run.txt is empty"),
        (" \n\n", "run.txt is empty"),
    ],
)
def test_bad_lines_are_named(tmp_path, text, says):
    with pytest.raises(UserError) as error:
        read_run(written(tmp_path, text))
    assert says in str(error.value)


def test_unreadable_files(tmp_path):
    with pytest.raises(UserError, match=r"cannot read .*absent\.txt: No such file"):
        read_run(tmp_path / "absent.txt")
    with pytest.raises(UserError, match=r"cannot read .*: Is a directory"):
        read_run(tmp_path)
    (tmp_path / "latin.txt").write_bytes(TREC.encode() + "q2 Q0 é 2 0.5 tag\n".encode("latin-1"))
    with pytest.raises(UserError, match=r"latin\.txt:4: not UTF-8"):
        read_run(tmp_path / "latin.txt")
    (tmp_path / "plain.gz").write_text(TREC)
    with pytest.raises(UserError, match=r"plain\.gz is damaged"):
        read_run(tmp_path / "plain.gz")
    (tmp_path / "cut.gz").write_bytes(gzip.compress(TREC.encode())[:-10])
    with pytest.raises(UserError, match=r"cut\.gz is damaged"):
        read_run(tmp_path / "cut.gz")
