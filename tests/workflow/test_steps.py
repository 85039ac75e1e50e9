"""Steps are done once, done again when what goes in changes, and refuse what was tampered with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pyserini_dupmae.reproduce.steps import Step, StepError, run


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
    assert "the settings" in run(replace(step, settings={"k": 1})).changes


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
    assert not step.record.exists()
    (tmp_path / "para.txt").unlink()
    with pytest.raises(StepError, match=r"join: the passages .*para.txt is not there"):
        run(step)
