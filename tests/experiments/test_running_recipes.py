"""A recipe of quick steps, from the command line: what is skipped, what is done again, and how a failure is told."""

from __future__ import annotations

import fcntl
import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from pyserini_dupmae.experiments.recipes import run_recipe
from pyserini_dupmae.training.run.__main__ import main
from pyserini_dupmae.util.errors import UserError
from pyserini_dupmae.util.lock import LOCK

RECIPE = """\
description: collections without models
variables: {folder: inside}
inputs: {archive: beir.zip, passages: para.txt, titles: para.title.txt}
steps:
  - name: data
    command: reproduce.prepare unpack
    arguments: {archive: "${archive}", folder: "${folder}", output: "${output}"}
  - name: topics
    command: reproduce.prepare topics
    arguments: {topics: "${data}/queries.jsonl", qrels: "${data}/qrels/dev.tsv", judged-only: true, output: "${output}"}
  - name: join
    command: reproduce.prepare titles
    arguments: {passages: "${passages}", titles: "${titles}", output: "${output}/x.tsv"}
"""
STEPS = ("data", "topics", "join")


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the recipe, its inputs and a finished run."""
    folder = tmp_path_factory.mktemp("recipe")
    (folder / "quick.yaml").write_text(RECIPE)
    (folder / "para.txt").write_text("1\ttext\n")
    (folder / "para.title.txt").write_text("1\ttitle\n")
    with zipfile.ZipFile(folder / "beir.zip", "w") as archive:
        for inside in ("inside", "other"):
            archive.writestr(f"{inside}/queries.jsonl", json.dumps({"_id": "q", "text": inside}) + "\n")
            archive.writestr(f"{inside}/qrels/dev.tsv", "query-id\tcorpus-id\tscore\nq\td\t1\n")
    finished = _run(folder)
    assert finished.returncode == 0, finished.stderr
    return folder


def _run(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pyserini_dupmae.training.run", "quick.yaml", *options]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture
def work(done: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of `done`, in which a test may change things; it is the current folder."""
    copied = shutil.copytree(done, tmp_path / "elsewhere")
    monkeypatch.chdir(copied)
    return copied


def intended(capsys: pytest.CaptureFixture[str], *options: str) -> dict[str, str]:
    """Step -> what ``--dry-run`` says of it."""
    capsys.readouterr()
    main(["quick.yaml", "--dry-run", *options])
    lines = capsys.readouterr().out.splitlines()
    assert all(line.startswith(("python", sys.executable)) for line in lines[1::2])
    return dict(line.removeprefix("# ").split(": ", 1) for line in lines[::2])


def test_nothing_is_done_twice(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert intended(capsys) == dict.fromkeys(STEPS, "skip (done before)")
    before = {path: path.stat().st_mtime_ns for path in Path("quick").rglob("*")}
    main(["quick.yaml"])
    assert capsys.readouterr().out.count(": done before") == 3
    main(["quick.yaml", "--quiet"])
    assert capsys.readouterr() == ("", "")
    assert {path: path.stat().st_mtime_ns for path in before} == before


FOLDER_CHANGED = 'run (changed: the setting --folder ("inside" before, "other" now))'


@pytest.mark.parametrize(
    ("options", "again"),
    [
        (["--set", "folder=other"], {"data": FOLDER_CHANGED, "topics": "run, after data"}),
        (["--set", "titles=other.txt"], {"join": "run (changed: the titles (changed))"}),
        (["--set", "folder=other", "--until", "data"], {"data": FOLDER_CHANGED}),
    ],
)
def test_what_changed_is_done_again(
    work: Path, capsys: pytest.CaptureFixture[str], options: list[str], again: dict[str, str]
) -> None:
    Path("other.txt").write_text("1\tanother title\n")
    found = {step: said for step, said in intended(capsys, *options).items() if not said.startswith("skip")}
    assert found.keys() == again.keys()
    for step, said in again.items():
        assert found[step].startswith(said)


def test_a_damaged_output_is_made_again(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What reads it is not done again, since it comes out as it was."""
    queries = Path("quick/data/queries.jsonl")
    before = queries.read_bytes()
    queries.write_bytes(before[:-1])
    assert intended(capsys)["topics"] == "run, after data"
    main(["quick.yaml"])
    assert queries.read_bytes() == before
    printed = capsys.readouterr().out
    assert "data: run again, for this changed: data (changed queries.jsonl)" in printed
    assert "topics: done before" in printed


def test_records_and_logs(work: Path) -> None:
    record = json.loads(Path("quick/steps/join.json").read_text())
    assert record["inputs"].keys() == {"passages", "titles"}
    assert record["output"].keys() == {"x.tsv"}
    assert record["seconds"] > 0
    assert Path("quick/logs/join.log").read_text() == f"$ {record['command']}\n"


def test_a_failure_is_told_in_one_line(work: Path) -> None:
    Path("para.txt").write_text("no tab\n")
    failed = _run(work)
    assert failed.returncode == 2
    (line,) = failed.stderr.splitlines()
    assert line.startswith("error: step join: exit status 2: error: para.txt:1: expected an id, a tab and a text")
    assert "-m pyserini_dupmae.reproduce.prepare titles --passages para.txt" in line
    assert line.endswith("log: quick/logs/join.log)")
    Path("para.txt").write_text("1\ttext\n")
    mended = _run(work)
    assert mended.returncode == 0
    assert "join: run again" in mended.stdout


def test_an_input_that_is_gone(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("para.txt").unlink()
    with pytest.raises(UserError, match=r"the recipe's input passages is not there: para.txt"):
        intended(capsys)


def test_two_runs_do_not_share_a_folder(tmp_path: Path) -> None:
    with open(tmp_path / LOCK, "w") as another:
        fcntl.flock(another, fcntl.LOCK_EX)
        with pytest.raises(UserError, match=f"another run is at work in {tmp_path}"):
            run_recipe("tiny", output=tmp_path)


def test_a_setting_has_a_value() -> None:
    with pytest.raises(UserError, match="--set seed: expected NAME=VALUE"):
        main(["quick.yaml", "--set", "seed"])


def test_a_step_that_there_is_not(work: Path) -> None:
    with pytest.raises(UserError, match="--until mine: the steps are data, topics, join"):
        main(["quick.yaml", "--until", "mine"])
