"""Whole conditions, from the command line: each test here runs real models, indexes and searches."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from pyserini_dupmae.data.runs import read_run
from pyserini_dupmae.evaluation.results import read_results
from pyserini_dupmae.experiments.baselines import installed_systems
from pyserini_dupmae.experiments.conditions import reproduce as reproduce_function
from pyserini_dupmae.util.errors import UserError
from tests.helpers import RunCommand

Command = Callable[..., tuple[int, str]]

TINY = """\
models:
  - {name: tiny, description: a small model}
collections:
  - name: tiny
    description: docstrings
    obtain: comes with Python
    docstrings: {queries: 20, documents: 150}
    topics: {test: {split: test}}
conditions:
  - name: tiny${form.suffix}
    description: docstrings with a small model
    matrix:
      form:
        - {suffix: "", encode: {}}
        - {suffix: .sharded, encode: {batch_size: 8, shards: 4}}
    collection: tiny
    model: tiny
    encode: ${form.encode}
    topics: {test: [nDCG@10, RR@10, R@100]}
    expected: null
  - name: tiny.mean
    description: the mean of both
    mean_of: [tiny, tiny.sharded]
    topics: {test: [nDCG@10]}
    expected: null
"""

SMALL = ["--condition", "docstrings-small", "--baselines", "none"]

WRONG = """\
conditions:
  - name: wrong
    description: an expectation that is not met
    collection: docstrings-small
    model: minilm
    encode: {max_length: 144}
    topics: {test: [nDCG@10, RR@10]}
    expected:
      statistics: {documents: 401, dimension: 384}
      scores: {test: {nDCG@10: 0.1}}
"""


@pytest.fixture(scope="module")
def done(reproduce: Command, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder of a whole run of ``docstrings-small``, and what was printed."""
    folder = tmp_path_factory.mktemp("docstrings") / "work"
    report = ["--output-report", folder.with_name("report.json")]
    status, printed = reproduce(*SMALL, "--output", folder, *report)
    assert status == 0, printed
    return folder, printed


@pytest.fixture
def work(done: tuple[Path, str], tmp_path: Path) -> Path:
    """A copy of it, in which a test may change things."""
    return shutil.copytree(done[0], tmp_path / "work")


@pytest.mark.slow
def test_docstrings_gives_the_expected_numbers(done: tuple[Path, str]) -> None:
    folder, printed = done
    assert "[FAIL]" not in printed
    header, *lines, last = printed.splitlines()
    assert header.startswith("[1/1] docstrings-small: ")
    steps = [line.removeprefix("  docstrings-small ") for line in lines if line.startswith("  docstrings-small ")]
    assert len(steps) == 16
    for number, (begun, ended) in enumerate(zip(steps[::2], steps[1::2], strict=True), 1):
        assert re.fullmatch(rf"\[{number}/8\] .* \(log: {folder}/.*\.log\)", begun)
        assert re.fullmatch(rf"\[{number}/8\] .*: run \((\d+ min )?\d+ s\)", ended)
    assert re.fullmatch(rf"1 of 1 condition\(s\) without a failure in .* s; results in {folder}", last)
    (report,) = json.loads(folder.with_name("report.json").read_text())["conditions"]
    assert {check["quantity"] for check in report["checks"]} == {
        *(f"index {name}" for name in ("documents", "postings", "weights", "dimension")),
        *(f"test {metric}" for metric in ("nDCG@10", "RR@10", "R@100")),
    }


@pytest.mark.slow
def test_nothing_is_done_twice_wherever_it_lies(reproduce: Command, work: Path) -> None:
    status, printed = reproduce(*SMALL, "--output", work)
    assert status == 0
    assert printed.count(": done before") == 8
    assert ": run" not in printed
    checks = [line for line in printed.splitlines() if line.startswith("  [")]
    assert reproduce(*SMALL, "--output", work, "--quiet") == (
        0,
        "\n".join([printed.splitlines()[0], *checks, ""]),
    )


@pytest.mark.slow
def test_the_function_returns_what_it_found(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done = reproduce_function("docstrings-small", output=work, report=work / "report.md", baselines="none")
    (finished,) = done.finished
    assert (done.failed, finished.failed, finished.error, finished.mode) == ([], False, None, "hybrid")
    (scores,) = (result for result in read_results(work / "results") if result.condition == "docstrings-small")
    assert finished.scores == {"test": scores.metrics}
    rows = (work / "report.md").read_text().splitlines()[2:]
    assert rows[0].startswith("| docstrings-small | index documents | OK | 400 | 400 |")
    assert len(rows) == len(finished.checks) == 7


@pytest.mark.slow
def test_each_part_alone_gives_the_expected_numbers(reproduce: Command, work: Path) -> None:
    parts = [*SMALL[2:], "--condition", "docstrings-small.cls", "--condition", "docstrings-small.ot"]
    status, printed = reproduce(*parts, "--output", work)
    assert status == 0, printed
    assert printed.count("search test: run (") == 2
    assert printed.count("encode: done before") == 2


@pytest.mark.slow
def test_every_step_is_the_command_that_is_shown(reproduce: Command, done: tuple[Path, str], warm_python: str) -> None:
    folder = done[0]
    _, shown = reproduce(*SMALL, "--output", folder, "--dry-run", "--display-commands")
    commands = [line for line in shown.splitlines() if not line.startswith("#")]
    provenance = json.loads((folder / "conditions" / "docstrings-small" / "provenance.json").read_text())
    assert [step["command"] for step in provenance["steps"]] == commands
    run = folder / "conditions" / "docstrings-small" / "run.test.txt"
    before = run.read_bytes()
    (search,) = [shlex.split(command) for command in commands if "pyserini_dupmae.search" in command]
    other = run.with_name("again.txt")
    again = [warm_python, *(str(other) if word == str(run) else word for word in search[1:])]
    assert subprocess.run(again, capture_output=True, check=False).returncode == 0
    assert other.read_bytes() == before
    other.unlink()


@pytest.mark.slow
def test_provenance_tells_how_the_numbers_came_about(done: tuple[Path, str]) -> None:
    found = json.loads((done[0] / "conditions" / "docstrings-small" / "provenance.json").read_text())
    environment = found["environment"]
    assert {"numpy", "pyserini", "torch", "transformers"} <= set(environment["packages"])
    assert int(environment["java"].split(".")[0]) >= 21
    assert environment["hardware"]["cores"] >= 1
    encode = next(step for step in found["steps"] if step["step"] == "encode")
    assert set(encode["sha256_inputs"]) == {"collection", "model"}
    assert all(len(value) == 64 for value in [*encode["sha256_inputs"].values(), encode["sha256_output"]])
    assert found["seed"] == 0
    assert found["wall_time_seconds"] > 0
    assert all(Path(step["log"]).exists() for step in found["steps"])


def test_baselines_of_large_collections_are_asked_for(reproduce: Command, tmp_path: Path) -> None:
    (tmp_path / "collection.tsv").touch()
    words = ["--condition", "msmarco-v1-passage.stage2", "--data", tmp_path, "--dry-run", "--display-commands"]
    assert ".baselines" not in reproduce(*words)[1]
    lines = [line for line in reproduce(*words, "--baselines", "all")[1].splitlines() if ".baselines" in line]
    assert len(lines) == 3 * len(installed_systems())
    assert "--metrics MRR@10 R@50 R@1000 MRR@100 R@10 R@100 --hits 1000 " in lines[0]
    words[1] = "docstrings-small"
    assert reproduce(*words)[1].count(".baselines") == len(installed_systems())
    assert ".baselines" not in reproduce(*words, "--baselines", "none")[1]
    with pytest.raises(UserError, match="baselines is 'some'; it is one of small, all, none"):
        reproduce_function("docstrings-small", output=tmp_path, baselines="some")


@pytest.mark.slow
def test_a_wrong_expectation_fails(reproduce: Command, work: Path) -> None:
    mine = work / "wrong.yaml"
    mine.write_text(WRONG)
    status, printed = reproduce("--conditions", mine, "--condition", "wrong", *SMALL[2:], "--output", work)
    assert status == 1
    assert "encode: done before" in printed, "conditions share an encoding"
    assert "[FAIL]  index documents expected 401 got 400" in printed
    assert "[OK]    index dimension 384" in printed
    assert "[FAIL]  test nDCG@10 expected 0.1000 got 0." in printed
    assert "[NEW]   test RR@10 0." in printed
    assert "0 of 1 condition(s) without a failure" in printed


@pytest.mark.slow
@pytest.mark.parametrize("part", ["lucene/*.doc", "faiss/index", "lucene/dupmae.json"])
def test_a_tampered_index_fails(reproduce: Command, work: Path, part: str) -> None:
    (victim,) = (work / "indexes").glob(f"*/{part}")
    before = victim.read_bytes()
    victim.write_bytes(before[:-20] + bytes([before[-20] ^ 1]) + before[-19:])
    status, printed = reproduce(*SMALL, "--output", work)
    assert status == 1
    assert f"[FAIL]  index: {victim.parents[1]} is not used, because this changed since it was built" in printed
    assert f"changed {victim.relative_to(victim.parents[1])}" in printed
    victim.write_bytes(before)
    assert reproduce(*SMALL, "--output", work)[0] == 0


@pytest.mark.slow
def test_a_changed_collection_fails(reproduce: Command, work: Path) -> None:
    corpus = work / "collections" / "docstrings-small" / "beir" / "corpus.jsonl"
    before = corpus.read_text()
    corpus.write_text(before.replace("the", "a", 1))
    status, printed = reproduce(*SMALL, "--output", work)
    assert status == 1
    assert "changed corpus.jsonl" in printed


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory, tiny_model_dir: Path) -> list[str]:
    """The options that name the conditions with the small model."""
    path = tmp_path_factory.mktemp("tiny") / "tiny.yaml"
    path.write_text(TINY)
    return ["--conditions", str(path), "--model", f"tiny={tiny_model_dir}", "--baselines", "none"]


@pytest.fixture(scope="module")
def tiny_done(reproduce: Command, tiny: list[str], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder of a run of all of the small model's conditions, and what was printed."""
    folder = tmp_path_factory.mktemp("work") / "work"
    status, printed = reproduce(*tiny, "--condition", "tiny.mean", "--output", folder)
    assert status == 0, printed
    return folder, printed


@pytest.mark.slow
def test_shards_and_batches_do_not_matter(tiny_done: tuple[Path, str]) -> None:
    folder, printed = tiny_done
    assert "encode 4 of 4" in printed
    metrics = [
        [line.split()[-1] for line in block.splitlines() if "[NEW]   test" in line]
        for block in printed.split("docstrings with a small model")[1:]
    ]
    assert metrics[0] == metrics[1][:3]
    assert metrics[1][3] == metrics[0][0], "the mean"
    one, four = (read_run(folder / "conditions" / name / "run.test.txt").scores for name in ("tiny", "tiny.sharded"))
    assert one.keys() == four.keys()
    for qid, scores in one.items():
        assert four[qid].keys() == scores.keys()
        assert max(abs(four[qid][docid] - score) for docid, score in scores.items()) <= 1e-3
    results = {result.condition: result for result in read_results(folder / "results")}
    assert results.keys() == {"tiny", "tiny.sharded", "tiny.mean"}
    assert results["tiny"].cls_dim == 16
    assert len(results["tiny"].per_query["nDCG@10"]) == 20
    assert results["tiny.mean"].mean_of == ("tiny", "tiny.sharded")


@pytest.mark.slow
def test_baselines_stand_beside(
    reproduce: Command, tiny: list[str], tiny_done: tuple[Path, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of the same queries and metrics; what becomes of them decides nothing."""
    work = shutil.copytree(tiny_done[0], tmp_path / "work")
    words = [*tiny[:-1], "small", "--condition", "tiny", "--output", work]
    status, printed = reproduce(*words)
    assert (status, printed.count("baselines of tiny [")) == (0, 2 * len(installed_systems())), printed
    found = {result.condition: result for result in read_results(work / "results")}
    assert found.keys() - {"tiny.sharded", "tiny.mean"} == {"tiny", *(f"tiny.{one}" for one in installed_systems())}
    ours, bm25 = found["tiny"], found["tiny.bm25"]
    assert (bm25.mode, bm25.topics, bm25.index.documents) == ("bm25", "test", 150)
    assert list(bm25.metrics) == list(ours.metrics)
    assert bm25.per_query["RR@10"].keys() == ours.per_query["RR@10"].keys()
    assert bm25.latency.median_ms > 0
    assert bm25.provenance.commands
    capsys.readouterr()
    (work / "results" / "baselines" / "tiny.test.bm25.step.json").write_text("{")
    status, printed = reproduce(*words)
    assert status == 0
    assert "[FAIL]" not in printed
    assert "not in the report: bm25 test: the record" in capsys.readouterr().err


@pytest.mark.slow
def test_two_runs_are_identical(
    reproduce: Command, tiny: list[str], tiny_done: tuple[Path, str], tmp_path: Path
) -> None:
    assert reproduce(*tiny, "--condition", "tiny", "--output", tmp_path)[0] == 0
    runs = [folder / "conditions" / "tiny" / "run.test.txt" for folder in (tiny_done[0], tmp_path)]
    assert runs[0].read_bytes() == runs[1].read_bytes()


@pytest.mark.slow
def test_an_encoding_without_a_record_is_taken_up(
    reproduce: Command, tiny: list[str], tiny_done: tuple[Path, str], tmp_path: Path
) -> None:
    work = shutil.copytree(tiny_done[0], tmp_path / "work")
    encoding = work / "encodings" / "tiny.tiny"
    (shard,) = (encoding / "0" / "store").glob("*.safetensors")
    written = shard.stat().st_mtime_ns
    (encoding / "0.step.json").unlink()
    status, printed = reproduce(*tiny, "--condition", "tiny", "--output", work)
    assert status == 0, printed
    assert "encode: run (" in printed
    assert shard.stat().st_mtime_ns == written, "nothing was encoded again"
    assert "index: done before" in printed


def test_a_model_that_is_not_given(reproduce: Command, tiny: list[str], tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"needs the model tiny .*; give yours with --model tiny=DIR"):
        reproduce(*tiny[:2], "--condition", "tiny", "--output", tmp_path)
    with pytest.raises(UserError, match=r"--model tinny=x: no condition names 'tinny'"):
        reproduce("--model", "tinny=x", "--condition", "cacm", "--output", tmp_path)
    status, printed = reproduce(
        *tiny[:2], "--condition", "tiny", "--output", tmp_path, "--dry-run", "--display-commands"
    )
    assert status == 0
    assert "--encoder tiny " in printed
    assert "--engine auto" in printed
    assert "--to-postings" not in printed
    assert not list(tmp_path.iterdir())


def test_engine_and_threads_go_to_the_search_and_postings_to_the_index(
    reproduce: Command, tiny: list[str], tmp_path: Path
) -> None:
    shown = [*tiny, "--condition", "tiny", "--output", tmp_path, "--dry-run", "--display-commands"]
    status, printed = reproduce(*shown, "--engine", "scan", "--threads", "3")
    assert status == 0
    (index,) = [line for line in printed.splitlines() if "pyserini_dupmae.index" in line]
    assert "--to-postings" in index
    (search,) = [line for line in printed.splitlines() if "pyserini_dupmae.search" in line]
    assert "--engine scan --threads 3" in search
    msmarco = ["--condition", "msmarco-v1-passage.stage2", "--data", tmp_path, "--output", tmp_path / "work"]
    (tmp_path / "collection.tsv").touch()
    _, printed = reproduce(*msmarco, "--dry-run", "--display-commands")
    assert "--to-postings" in printed  # a collection that is known to be large


def test_the_list_names_every_condition(reproduce: Command) -> None:
    status, printed = reproduce("--list")
    assert status == 0
    assert "msmarco-v1-passage.stage3" in printed
    (line,) = [line for line in printed.splitlines() if line.startswith("beir-scifact.stage2 ")]
    assert line.endswith("(--model dupmae-stage2=DIR) [never measured]")


def test_a_mistake_is_one_line_and_a_status(run_command: RunCommand) -> None:
    failed = run_command("reproduce", "--condition", "cacm")
    assert failed.returncode == 2
    assert failed.stderr.startswith("error: the condition cacm needs the model dupmae (any DupMAE model)")
    assert failed.stderr.count("\n") == 1
