"""``python -m pyserini_dupmae.search`` as a user runs it, its run read by a parser of the test's own."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from tests.search.exhaustive import brute_force, is_ranking


def read_run(path: Path) -> dict[str, list[tuple[str, float]]]:
    run = defaultdict(list)
    for line in path.read_text(encoding="utf-8").splitlines():
        qid, q0, docid, rank, score, tag = line.split(" ")
        assert (q0, int(rank), tag) == ("Q0", len(run[qid]) + 1, "dupmae")
        run[qid].append((docid, float(score)))
    return run


@pytest.fixture
def required(encoded, tiny_model_dir, topics_file) -> list[object]:
    return ["--index", encoded, "--encoder", tiny_model_dir, "--topics", topics_file]


@pytest.mark.slow
def test_the_run_is_that_of_brute_force(required, documents, topics, queries, tmp_path):
    output = tmp_path / "runs" / "run.txt"
    command = [sys.executable, "-m", "pyserini_dupmae.search", *required, "--output", output, "--hits", 50]
    command = [*map(str, command), "--batch-size", "7", "--threads", "2"]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    assert "top 50 proved for 20 of 20 queries\n" in finished.stdout
    assert "queries/s" in finished.stdout
    run = read_run(output)
    assert list(run) == [qid for qid, _ in topics]
    for (qid, _), query in zip(topics, queries, strict=True):
        expected = brute_force(documents, query, "hybrid", 50)
        assert is_ranking([docid for docid, _ in run[qid]], documents, query, "hybrid")
        assert [score for _, score in run[qid]] == pytest.approx([score for _, score in expected], rel=1e-4)
    assert list(output.parent.iterdir()) == [output]


def test_bytes_do_not_depend_on_how_it_is_run(required, run_command, tmp_path):
    runs = []
    ways = (
        ["--batch-size", 1],
        ["--batch-size", 20, "--threads", 3, "--certify", 1, "--engine", "lists"],
        ["--batch-size", 9, "--threads", 2, "--engine", "scan"],
    )
    for number, options in enumerate(ways):
        output = tmp_path / f"run{number}.txt"
        assert run_command("search", *required, "--output", output, "--hits", 20, *options).returncode == 0
        runs.append(output.read_bytes())
    assert runs[0] == runs[1] == runs[2]
    assert runs[0].count(b"\n") == 20 * 20


def test_msmarco_format_one_mode_and_no_query_among_the_hits(required, documents, queries, run_command, tmp_path):
    first = brute_force(documents, queries[0], "dense", 4)
    topics = tmp_path / "topics.tsv"
    topics.write_text(f"{first[1][0]}\tparse command line arguments\n", encoding="utf-8")
    output = tmp_path / "run.tsv"
    options = ["--topics", topics, "--output-format", "msmarco", "--mode", "dense", "--hits", 3, "--remove-query"]
    finished = run_command("search", *required, "--output", output, *options)
    assert finished.returncode == 0, finished.stderr
    assert "top 3 proved for 1 of 1 queries\n" in finished.stdout
    expected = [docid for docid, _ in first if docid != first[1][0]]
    lines = [f"{first[1][0]}\t{docid}\t{rank}\n" for rank, docid in enumerate(expected, 1)]
    assert output.read_text(encoding="utf-8") == "".join(lines)


def test_what_is_not_proved_is_said(required, run_command, tmp_path):
    options = ["--hits", 1, "--max-depth", 1, "--engine", "lists"]
    finished = run_command("search", *required, "--output", tmp_path / "run.txt", *options)
    assert finished.returncode == 0, finished.stderr
    assert "; NOT PROVED for " in finished.stdout


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--index", "nowhere"], "no DupMAE index in nowhere"),
        (["--encoder", "./no-model"], "no model './no-model'"),
        (["--topics", "no-topics"], "'no-topics' is no file and no name of Pyserini's topics"),
        (["--topics", "no/topics.tsv"], "there is no topics file no/topics.tsv"),
        (["--hits", "0"], "must be a whole number of at least 1, got '0'"),
        (["--hits", "10", "--certify", "11"], "certify (11) cannot exceed hits (10)"),
        (["--hits", "10", "--max-depth", "9"], "max_depth (9) must be at least hits (10)"),
        (["--output", "."], "the output . is a folder"),
        (["--device", "abacus"], "cannot use the device 'abacus'"),
    ],
)
def test_mistakes_get_one_line_and_status_2(options, problem, required, run_command, tmp_path):
    output = tmp_path / "run.txt"
    finished = run_command("search", *required, "--output", output, *options)
    assert finished.returncode == 2
    assert problem in finished.stderr.splitlines()[-1]
    assert "Traceback" not in finished.stderr
    assert not list(tmp_path.iterdir())


def test_another_model(required, linear_model_dir, run_command, tmp_path):
    finished = run_command("search", *required, "--encoder", linear_model_dir, "--output", tmp_path / "run.txt")
    assert finished.returncode == 2
    assert "was built with another model" in finished.stderr.splitlines()[-1]


def test_a_store_alone_is_searched_without_pyserini_faiss_and_java(
    required, encoded, run_command, warm_python, tmp_path
):
    shutil.copytree(encoded / "store", tmp_path / "out" / "store")
    runs = [tmp_path / "scanned.txt", tmp_path / "listed.txt"]
    arguments = [*map(str, required[2:]), "--hits", "30"]
    missing = dict.fromkeys(("pyserini", "faiss", "jnius"))
    program = f"import sys; sys.modules.update({missing}); from pyserini_dupmae.search.__main__ import main; main()"
    command = [warm_python, "-c", program, "--index", str(tmp_path / "out"), "--output", str(runs[0]), *arguments]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    assert "engine scan: all 301 documents are scored, from memory" in finished.stderr
    listed = run_command("search", "--index", encoded, "--output", runs[1], "--engine", "lists", *arguments)
    assert "engine lists: " in listed.stderr
    assert runs[0].read_bytes() == runs[1].read_bytes()
