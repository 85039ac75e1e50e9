"""Steps are done once, done again when what goes in changes, and refuse what was tampered with."""

from __future__ import annotations

import logging
import subprocess
import sys
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from pyserini_dupmae.experiments.steps import Step, StepError, run, standing
from pyserini_dupmae.util.log import logger


@pytest.fixture
def step(tmp_path: Path) -> Step:
    (tmp_path / "para.txt").write_text("1\ttext\n")
    (tmp_path / "para.title.txt").write_text("1\ttitle\n")
    return _step(tmp_path)


def _step(folder: Path, **more: object) -> Step:
    passages, titles, output = folder / "para.txt", folder / "para.title.txt", folder / "out" / "corpus.tsv"
    command = ["pyserini_dupmae.reproduce.prepare", "titles", "--passages", str(passages)]
    command += ["--titles", str(titles), "--output", str(output)]
    return Step("join", command, output, {"passages": passages, "titles": titles}, **more)


def test_done_once_wherever_it_lies(step: Step, tmp_path: Path) -> None:
    first = run(step)
    assert not first.skipped
    assert step.output.read_text() == "1\ttitle\ttext\n"
    assert step.log.read_text().startswith(f"$ {step.shell()}\n")
    assert run(step).skipped
    moved = tmp_path.with_name(tmp_path.name + "-moved")
    tmp_path.rename(moved)
    assert run(_step(moved)).skipped
    moved.rename(tmp_path)


def test_done_again_when_something_changed(step: Step, tmp_path: Path) -> None:
    run(step)
    (tmp_path / "para.title.txt").write_text("1\tanother\n")
    again = run(step)
    assert (again.skipped, again.changes) == (False, "the titles (changed)")
    assert step.output.read_text() == "1\tanother\ttext\n"
    step.output.write_text("tampered")
    assert run(step).changes == "corpus.tsv (changed)"
    assert step.output.read_text() == "1\tanother\ttext\n"
    assert run(replace(step, settings={"k": 1})).changes == "the setting k (none before, 1 now)"


def test_the_order_of_settings_does_not_matter(step: Step) -> None:
    run(replace(step, settings={"encoder": {"model": "m", "device": "cpu"}}))
    assert run(replace(step, settings={"encoder": {"model": "m", "device": "cpu"}})).skipped  # its record is sorted
    assert run(replace(step, settings={"encoder": {"device": "cpu", "model": "m"}})).skipped


def test_a_guarded_step_is_reported_and_not_used(step: Step, tmp_path: Path) -> None:
    guarded = replace(step, guarded=True)
    run(guarded)
    passages = (tmp_path / "para.txt").read_text()
    (tmp_path / "para.txt").write_text("1\tother\n")
    with pytest.raises(StepError, match=r"corpus.tsv is not used, because this changed since .*: the passages"):
        run(guarded)
    (tmp_path / "para.txt").write_text(passages)
    assert run(guarded).skipped
    step.output.unlink()
    with pytest.raises(StepError, match=r"corpus.tsv \(missing"):
        run(guarded)


def test_failures_say_what_the_command_said(step: Step, tmp_path: Path) -> None:
    (tmp_path / "para.txt").write_text("no tab\n")
    with pytest.raises(StepError, match=r"join: exit status 2: error: .*para.txt:1: expected an id.*corpus.tsv.log\)"):
        run(step)
    with pytest.raises(StepError, match="join: exit status 2"):
        run(step)
    (tmp_path / "para.txt").unlink()
    with pytest.raises(StepError, match=r"join: the passages .*para.txt is not there"):
        run(step)


def test_an_interrupted_step_goes_on_with_what_it_left(tmp_path: Path) -> None:
    unpack = _unpack(tmp_path, notes=tmp_path / "notes")
    with pytest.raises(StepError, match=r"unpack: exit status 2: error: .*has no folder"):
        run(unpack)
    assert standing(unpack).interrupted
    unpack.output.mkdir()
    (unpack.output / "half").write_text("written before the interruption")
    with pytest.raises(StepError):
        run(unpack)
    assert (unpack.output / "half").exists(), "the command is given again, with what it left"
    _zip(tmp_path, "inside/whole")
    assert not standing(unpack).interrupted
    assert "the archive (changed)" in run(unpack).changes
    assert sorted(path.name for path in unpack.output.iterdir()) == ["whole"]
    assert unpack.record == tmp_path / "notes" / "steps" / "unpack.json"
    assert unpack.log.parent == tmp_path / "notes" / "logs"


def test_what_is_scratch_does_not_count(tmp_path: Path) -> None:
    _zip(tmp_path, "inside/model", "inside/checkpoint-5/model")
    unpack = _unpack(tmp_path, scratch=("checkpoint-*",))
    assert list(run(unpack).record.output) == ["model"]
    (unpack.output / "checkpoint-5" / "model").unlink()
    assert run(unpack).skipped
    (unpack.output / "model").unlink()
    assert run(unpack).changes == "beir (missing model)"


def test_what_a_command_prints_is_shown_and_logged(step: Step, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(step, show=True).record.seconds > 0
    quiet = capfd.readouterr().out
    failing = replace(step, command=[*step.command, "--passages", "nowhere"], settings={"passages": "nowhere"})
    with pytest.raises(StepError, match="cannot read nowhere"):
        run(failing, show=True)
    assert "error: cannot read nowhere" in capfd.readouterr().out
    assert "error" not in quiet
    assert "error: cannot read nowhere" in failing.log.read_text()


@pytest.mark.parametrize(
    ("level", "given"), [(logging.NOTSET, []), (logging.INFO, []), (logging.DEBUG, ["--verbose"]), (30, ["--quiet"])]
)
def test_a_step_is_as_loud_as_what_runs_it(
    level: int, given: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "echo.py").write_text("import sys\nprint(sys.argv[2:])\nopen(sys.argv[1], 'w').close()\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    logger.setLevel(level)
    begun: list[str] = []
    echo = Step("echo", ["echo", str(tmp_path / "out")], tmp_path / "out")
    for _ in range(2):
        run(echo, begin=lambda: begun.append("begun"))
    assert begun == ["begun"]
    assert echo.log.read_text() == f"$ {echo.shell()}\n{given}\n"


def test_a_command_does_not_outlive_a_killed_run(tmp_path: Path) -> None:
    command = ["-c", "import os, sys, time; print(os.getpid(), flush=True); time.sleep(60)"]
    program = (
        "import io, sys; from pyserini_dupmae.experiments.steps import _call;"
        f"_call([sys.executable, *{command!r}], open({str(tmp_path / 'log')!r}, 'wb'), True)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as runner:
        child = int(runner.stdout.readline())
        runner.kill()
    deadline = time.monotonic() + 30
    while _alive(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _alive(child)


def test_a_step_is_no_fork_of_a_process_with_threads(step: Step, warm_python: str) -> None:
    """What a library like gRPC does in a fork, which another thread may have surprised, does not happen."""
    program = f"""
import os
from pathlib import PosixPath
from pyserini_dupmae.experiments.steps import Step, run
os.register_at_fork(after_in_child=lambda: os._exit(7))
run({step!r})
"""
    subprocess.run([warm_python, "-c", program], check=True)
    assert step.output.read_text() == "1\ttitle\ttext\n"


def _alive(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def _zip(folder: Path, *names: str) -> None:
    with zipfile.ZipFile(folder / "beir.zip", "w") as archive:
        for name in names:
            archive.writestr(name, name)


def _unpack(folder: Path, **more: object) -> Step:
    archive, output = folder / "beir.zip", folder / "out" / "beir"
    if not archive.exists():
        _zip(folder)
    command = ["pyserini_dupmae.reproduce.prepare", "unpack", "--archive", str(archive)]
    command += ["--folder", "inside", "--output", str(output)]
    return Step("unpack", command, output, {"archive": archive}, **more)
