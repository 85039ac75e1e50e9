"""The command, as a user starts it."""

import json
import subprocess
import sys

import pytest

QRELS = "1 0 a 1\n1 0 b 2\n2 0 c 1\n3 0 d 1\n"
FIRST = "1 Q0 b 1 3 t\n1 Q0 a 2 2 t\n2 Q0 x 1 3 t\n2 Q0 c 2 2 t\n7 Q0 a 1 1 t\n"
SECOND = "1\tx\t1\n1\ta\t2\n2\tc\t1\n3\td\t1\n"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "qrels.txt").write_text(QRELS)
    (tmp_path / "first.txt").write_text(FIRST)
    (tmp_path / "second.tsv").write_text(SECOND)
    return tmp_path


def evaluate(folder, *arguments):
    command = [sys.executable, "-m", "pyserini_dupmae.evaluate", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_text_table_and_notes(folder):
    done = evaluate(folder, "--run", "first.txt", "second.tsv", "--qrels", "qrels.txt", "--metrics", "RR@10", "R@2")
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    assert lines[0] == ["run", "RR@10", "R@2"]
    assert lines[2] == ["first.txt", "0.5000", "0.6667"]
    assert lines[3] == ["second.tsv", "0.8333", "0.8333"]
    assert lines[9][:6] == ["second.tsv", "RR@10", "+0.3333", "2", "0", "1"]
    assert "Holm over 2 comparisons" in done.stdout
    assert done.stderr.splitlines() == [
        "first.txt: 1 of 3 judged queries are not in the run, counted as 0",
        "first.txt: 1 queries of the run are not judged, left out",
    ]


def test_json_and_returned_only(folder):
    arguments = [
        "--run",
        "first.txt",
        "second.tsv",
        "--qrels",
        "qrels.txt",
        "--metrics",
        "RR@10",
        "--output-format",
        "json",
    ]
    everything = json.loads(evaluate(folder, *arguments).stdout)
    assert everything["runs"][0] == {
        "run": "first.txt",
        "means": {"RR@10": 0.5},
        "queries": 3,
        "judged": 3,
        "missing": ["3"],
        "unjudged": ["7"],
    }
    returned = json.loads(evaluate(folder, *arguments, "--returned-only", "--compare", "t").stdout)
    assert [run["means"] for run in returned["runs"]] == [{"RR@10": 0.75}, {"RR@10": 0.75}]
    assert returned["comparisons"][0]["p"] == 1.0


def test_markdown_and_baseline(folder):
    done = evaluate(
        folder, "--run", "first.txt", "second.tsv", "--qrels", "qrels.txt", "--baseline", "second.tsv",
        "--metrics", "MRR@10", "--output-format", "markdown",
    )  # fmt: skip
    assert "| run | MRR@10 |\n|:--|--:|\n| first.txt | 0.5000 |\n" in done.stdout
    assert "Against second.tsv: " in done.stdout
    assert "| first.txt | MRR@10 | -0.3333 | 1 | 0 | 2 |" in done.stdout


@pytest.mark.parametrize("name", ["deltas.tsv", "deltas.jsonl"])
def test_per_query(folder, name):
    arguments = ["--run", "first.txt", "second.tsv", "--qrels", "qrels.txt", "--metrics", "RR@10", "--per-query", name]
    assert evaluate(folder, *arguments).returncode == 0
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
    done = evaluate(folder, "--run", "first.txt", "other/first.txt", "--qrels", "qrels.txt", "--compare", "none")
    assert [line.split()[0] for line in done.stdout.splitlines()[2:]] == ["first.txt", "other/first.txt"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--run", "absent.txt"], "cannot read absent.txt"),
        (["--run", "qrels.txt"], "qrels.txt:1: 4 columns; a run has 6"),
        (["--run", "first.txt", "first.txt"], "--run names a file twice"),
        (["--run", "first.txt", "--baseline", "second.tsv"], "--baseline second.tsv is none of the runs"),
        (["--run", "first.txt", "--metrics", "nDGC@10"], "metric 'nDGC@10'"),
        (["--run", "first.txt", "--per-query", "deltas.csv"], "must end in .tsv or .jsonl"),
        (["--run", "first.txt", "lone.txt", "--returned-only"], "no judged query is in every run"),
        (["--run", "elsewhere.txt"], "no query of elsewhere.txt is judged"),
    ],
)
def test_mistakes_are_one_line_and_status_2(folder, arguments, says):
    (folder / "lone.txt").write_text("3 Q0 d 1 1 t\n")
    (folder / "elsewhere.txt").write_text("99 Q0 d 1 1 t\n")
    done = evaluate(folder, *arguments, "--qrels", "qrels.txt")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert says in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (folder / "deltas.csv").exists()
