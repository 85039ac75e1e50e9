"""The recipe ``tiny`` from the command line: every step learns, nothing is done twice, and a kill changes nothing."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from pyserini_dupmae.training.run.__main__ import main
from tests.helpers import RunCommand

pytestmark = pytest.mark.slow

# As many steps as what is asserted needs.
STEPS = {"stage2_steps": 80, "teacher_steps": 300, "stage3_steps": 60}
TINY = ["tiny", *(word for name, steps in STEPS.items() for word in ("--set", f"{name}={steps}"))]
AFTER_STAGE1 = ["encode1", "evaluate1", "mine", "stage2", "evaluate2", "teacher", "score", "stage3", "evaluate3"]


@pytest.fixture(scope="module")
def done(run_command: RunCommand, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder of a whole run, and what it printed."""
    folder = tmp_path_factory.mktemp("tiny") / "work"
    finished = run_command("training.run", *TINY, "--output", folder)
    assert finished.returncode == 0, finished.stderr + finished.stdout[-3000:]
    return folder, finished.stdout


def _json(path: Path) -> Any:
    return json.loads(path.read_text())


def _again(capsys: pytest.CaptureFixture[str], folder: Path, *options: str) -> list[str]:
    """The steps that ``--dry-run`` would run."""
    capsys.readouterr()
    main([*TINY, "--output", str(folder), "--dry-run", *options])
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("# ")]
    return [line[2:].partition(":")[0] for line in lines if ": skip" not in line]


def test_pre_training_lowers_all_three_losses(done: tuple[Path, str]) -> None:
    history = _json(done[0] / "pretrain" / "pretrain.json")["history"]
    held_out = [entry for entry in history if "eval_loss" in entry]
    for part in ("mlm", "decoder", "bow"):
        assert held_out[-1][f"eval_loss_{part}"] < held_out[0][f"eval_loss_{part}"] - 1, part


def test_each_stage_finds_what_words_do_not(done: tuple[Path, str]) -> None:
    rows = _json(done[0] / "results.json")
    mrr = {row["model"]: row["MRR@10"] for row in rows}
    assert list(mrr) == ["pre-trained", "stage 1", "stage 2", "stage 3"]
    assert mrr["pre-trained"]["hybrid"] < 0.2
    assert mrr["stage 1"]["hybrid"] > 0.5
    assert min(mrr["stage 1"]["dense"], mrr["stage 1"]["sparse"]) > 0.3
    assert mrr["stage 2"]["hybrid"] > mrr["stage 1"]["hybrid"] + 0.03
    assert mrr["stage 3"]["hybrid"] > max(mrr["stage 1"]["hybrid"] + 0.03, mrr["stage 2"]["hybrid"] - 0.06)


def test_the_teacher_tells_answers_from_hard_negatives(done: tuple[Path, str]) -> None:
    measured = [
        entry["eval_map"] for entry in _json(done[0] / "teacher" / "teacher.json")["history"] if "eval_map" in entry
    ]
    assert measured[-1] > measured[0] + 0.2


def test_the_table_is_printed_and_kept(done: tuple[Path, str]) -> None:
    folder, printed = done
    table = (folder / "results.md").read_text()
    assert printed.endswith(table)
    row = _json(folder / "results.json")[1]
    assert f"| stage 1 | data-dev | {row['nDCG@10']['dense']:.4f} |" in table


def test_what_is_expected_is_checked(done: tuple[Path, str], training_run: Any, tmp_path: Path) -> None:
    folder, _ = done
    found = _json(folder / "results.json")[-1]["MRR@10"]["hybrid"]
    expected = "extends: tiny\nexpected: {scores: {data-dev.stage 3.hybrid: {MRR@10: %s}}}\n"
    for wanted, status, line in ((found, 0, "[OK]    "), (found - 0.1, 1, "[FAIL]  ")):
        (tmp_path / "mine.yaml").write_text(expected % wanted)
        done_with, printed = training_run(tmp_path / "mine.yaml", *TINY[1:], "--output", folder)
        assert done_with == status
        assert printed.splitlines()[-1].startswith(f"{line}data-dev.stage 3.hybrid MRR@10 ")
        assert ": run" not in printed


def test_nothing_is_done_twice(done: tuple[Path, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert _again(capsys, done[0]) == []


@pytest.mark.parametrize(
    ("setting", "again"),
    [
        ("stage1_steps=301", ["stage1", *AFTER_STAGE1]),
        ("stage2_steps=101", ["stage2", "evaluate2", "teacher", "score", "stage3", "evaluate3"]),
        ("teacher_steps=301", ["teacher", "score", "stage3", "evaluate3"]),
        ("stage3_steps=101", ["stage3", "evaluate3"]),
    ],
)
def test_only_what_depends_on_it_is_done_again(
    done: tuple[Path, str], capsys: pytest.CaptureFixture[str], setting: str, again: list[str]
) -> None:
    assert _again(capsys, done[0], "--set", setting) == again


def test_a_kill_changes_nothing(done: tuple[Path, str], run_command: RunCommand, tmp_path: Path) -> None:
    """Killed in the middle of stage 1; the same command goes on from the checkpoint, to the same numbers."""
    whole, part = done[0], tmp_path / "part"
    options = [*TINY, "--until", "stage1", "--output", str(part)]
    for name in ("data", "pretrain", "model", "evaluate0"):
        shutil.copytree(whole / name, part / name)
        (part / "steps").mkdir(exist_ok=True)
        shutil.copy(whole / "steps" / f"{name}.json", part / "steps")
    state = part / "stage1" / "checkpoint-100" / "trainer_state.json"
    command = [sys.executable, "-m", "pyserini_dupmae.training.run", *options]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as killed:
        while not state.exists() and killed.poll() is None:
            time.sleep(0.05)
        killed.send_signal(signal.SIGKILL)
    assert killed.returncode == -signal.SIGKILL
    assert "output" not in {name for name, value in _json(part / "steps" / "stage1.json").items() if value}
    finished = run_command("training.run", *options)
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.count(": done before") == 4
    weights = [(folder / "stage1" / "model.safetensors").read_bytes() for folder in (whole, part)]
    assert weights[0] == weights[1]
    logs = [(folder / "logs" / "stage1.log").read_text().split("\n$ ")[-1] for folder in (whole, part)]
    assert logs[1].count("'loss'") < logs[0].count("'loss'"), "it did not begin anew"
