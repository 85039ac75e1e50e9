"""The function, and the command as a user starts it."""

import json
import subprocess
import sys

import pytest

from pyserini_dupmae.evaluate import main
from pyserini_dupmae.evaluation.evaluate import evaluate
from pyserini_dupmae.util.errors import UserError

QRELS = "1 0 a 1\n1 0 b 2\n2 0 c 1\n3 0 d 1\n"
FIRST = "1 Q0 b 1 3 t\n1 Q0 a 2 2 t\n2 Q0 x 1 3 t\n2 Q0 c 2 2 t\n7 Q0 a 1 1 t\n"
SECOND = "1\tx\t1\n1\ta\t2\n2\tc\t1\n3\td\t1\n"
TEXT = """\
run         RR@10     R@2
----------  ------  ------
first.txt   0.5000  0.6667
second.tsv  0.8333  0.8333

Against first.txt: paired, two-sided, 10000 permutations, Holm over 2 comparisons

run         metric  difference  wins  ties  losses       p  p (Holm)
----------  ------  ----------  ----  ----  ------  ------  --------
second.tsv   RR@10     +0.3333     2     0       1
second.tsv     R@2     +0.1667     1     1       1
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "qrels.txt").write_text(QRELS)
    (tmp_path / "first.txt").write_text(FIRST)
    (tmp_path / "second.tsv").write_text(SECOND)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_command_prints_tables_and_notes(folder):
    words = ["--run", "first.txt", "second.tsv", "--qrels", "qrels.txt", "--metrics", "RR@10", "R@2"]
    command = [sys.executable, "-m", "pyserini_dupmae.evaluate", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    printed = [line.split() for line in done.stdout.splitlines()]
    for line, expected in zip(printed, map(str.split, TEXT.splitlines()), strict=True):
        assert line[: len(expected)] == expected
    assert all(0 < float(p) <= 1 for line in printed[-2:] for p in line[-2:])
    assert done.stderr.splitlines() == [
        "pyserini_dupmae: first.txt: 1 of 3 judged queries are not in the run, counted as 0",
        "pyserini_dupmae: first.txt: 1 queries of the run are not judged, left out",
    ]


def test_a_mistake_is_one_line_and_status_2(folder):
    command = [sys.executable, "-m", "pyserini_dupmae.evaluate", "--run", "absent.txt", "--qrels", "qrels.txt"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: cannot read absent.txt")
    assert done.stderr.count("\n") == 1


def test_the_command_hands_over_every_option(folder, capsys):
    words = ["--run", "first.txt", "second.tsv", "--qrels", "qrels.txt", "--metrics", "MRR@10", "--returned-only"]
    words += ["--baseline", "second.tsv", "--compare", "randomisation", "--permutations", "7", "--seed", "3"]
    main([*words, "--per-query", "deltas.tsv", "--output-format", "markdown"])
    expected = evaluate(
        ["first.txt", "second.tsv"],
        qrels="qrels.txt",
        metrics=["MRR@10"],
        returned_only=True,
        baseline="second.tsv",
        permutations=7,
        seed=3,
    )
    printed = capsys.readouterr()
    assert printed.out == expected.markdown() + "\n"
    assert "Against second.tsv: paired, two-sided, 7 permutations" in printed.out
    assert "not in the run, left out" in printed.err
    assert (folder / "deltas.tsv").exists()
    main([*words, "--output-format", "json"])
    printed = capsys.readouterr()
    assert json.loads(printed.out) == expected.data()
    assert printed.err == ""
    main([*words, "--compare", "none"])
    assert "Against" not in capsys.readouterr().out


def test_one_run_in_each_form(folder):
    found = evaluate(folder / "first.txt", qrels=folder / "qrels.txt", metrics=["RR@10"])
    assert found.means == {"first.txt": {"RR@10": 0.5}}
    assert found.values == {"first.txt": {"RR@10": {"1": 1.0, "2": 0.5, "3": 0.0}}}
    assert found.comparisons == []
    assert str(found) == found.text() == "run         RR@10\n---------  ------\nfirst.txt  0.5000"
    assert json.loads(found.json())["runs"] == [
        {
            "run": "first.txt",
            "means": {"RR@10": 0.5},
            "queries": 3,
            "judged": 3,
            "missing": ["3"],
            "unjudged": ["7"],
        }
    ]


def test_returned_queries_only(folder):
    runs = ["first.txt", "second.tsv"]
    found = evaluate(runs, qrels="qrels.txt", metrics=["RR@10"], returned_only=True, compare="t")
    assert found.means == {"first.txt": {"RR@10": 0.75}, "second.tsv": {"RR@10": 0.75}}
    assert found.comparisons[0].p == 1.0
    assert found.test == "t-test"
    assert found.data()["runs"][0]["queries"] == 2


def test_markdown_and_baseline(folder):
    found = evaluate(["first.txt", "second.tsv"], qrels="qrels.txt", metrics=["MRR@10"], baseline="second.tsv")
    assert found.markdown().startswith("| run | MRR@10 |\n|:--|--:|\n| first.txt | 0.5000 |\n")
    assert "| first.txt | MRR@10 | -0.3333 | 1 | 0 | 2 |" in found.markdown()


@pytest.mark.parametrize("name", ["deltas.tsv", "deltas.jsonl"])
def test_per_query(folder, name):
    evaluate(["first.txt", "second.tsv"], qrels="qrels.txt", metrics=["RR@10"], per_query=name)
    lines = (folder / name).read_text().splitlines()
    if name.endswith(".tsv"):
        assert lines[0] == "run\tmetric\tqid\tvalue\tdelta"
        assert lines[-1] == "second.tsv\tRR@10\t3\t1.000000\t+1.000000"
        assert len(lines) == 7
    else:
        last = {"run": "second.tsv", "metric": "RR@10", "qid": "3", "value": 1.0, "delta": 1.0}
        assert json.loads(lines[-1]) == last
        assert len(lines) == 6


def test_runs_of_one_file_name_are_told_apart_by_their_paths(folder):
    (folder / "other").mkdir()
    (folder / "other" / "first.txt").write_text(FIRST)
    found = evaluate(["first.txt", "other/first.txt"], qrels="qrels.txt", compare=None)
    assert list(found.means) == ["first.txt", "other/first.txt"]


@pytest.mark.parametrize(
    ("runs", "options", "says"),
    [
        (["absent.txt"], {}, "cannot read absent.txt"),
        (["qrels.txt"], {}, "qrels.txt:1: 4 columns; a run has 6"),
        (["first.txt", "first.txt"], {}, "name a file twice"),
        (["first.txt"], {"baseline": "second.tsv"}, "baseline second.tsv is none of the runs"),
        (["first.txt"], {"metrics": ["nDGC@10"]}, "metric 'nDGC@10'"),
        (["first.txt"], {"per_query": "deltas.csv"}, "must end in .tsv or .jsonl"),
        (["first.txt"], {"compare": "wilcoxon"}, "unknown test 'wilcoxon'"),
        (["first.txt", "lone.txt"], {"returned_only": True}, "no judged query is in every run"),
        (["elsewhere.txt"], {}, "no query of elsewhere.txt is judged"),
    ],
)
def test_mistakes(folder, runs, options, says):
    (folder / "lone.txt").write_text("3 Q0 d 1 1 t\n")
    (folder / "elsewhere.txt").write_text("99 Q0 d 1 1 t\n")
    with pytest.raises(UserError) as mistake:
        evaluate(runs, qrels="qrels.txt", **options)
    assert says in str(mistake.value)
    assert not (folder / "deltas.csv").exists()
