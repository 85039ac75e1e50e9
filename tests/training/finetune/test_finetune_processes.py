"""Two processes do what one does, and so does a run that was killed."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path

import pytest
import torch

from pyserini_dupmae.training.finetune.__main__ import main
from pyserini_dupmae.util.errors import UserError
from tests.helpers import RunCommand

from .conftest import SGD, Task, logged, record, weights

MODULE = "pyserini_dupmae.training.finetune"
TORCHRUN = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
REGULARISED = ["--sparsity", "flops", "--cls-weight", 0.5, "--ot-weight", 0.5, "--query-sparsity", 0.1]


def _start(*words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


@pytest.mark.slow
def test_two_processes_and_grad_cache_give_the_step_of_the_joined_batch(
    steady_model_dir: Path, task: Task, warm_python: str, tmp_path: Path
) -> None:
    """Whole batch and parts: stage 1, stage 2 with regularisers over the batch, stage 3, accumulated batches."""

    def options(stage: int, name: str, batch: int, *more: object) -> list[str]:
        chosen = [*SGD, "--temperature", 20, "--per_device_train_batch_size", batch, *more]
        return task.options(stage, steady_model_dir, tmp_path / name, *chosen)

    dev = ["--dev", f"{task.source}:dev"]
    accumulated = ["--gradient_accumulation_steps", 2, "--teacher-temperature", 2, "--contrastive-weight", 0.5]
    runs = {"joined1": (1, *dev), "joined2": (2, *REGULARISED), "joined3": (3, *accumulated)}
    for name, (stage, *more) in runs.items():
        main(options(stage, name, 8, *more))
    main(options(3, "cached3", 8, *accumulated, "--grad-cache", 3))

    together = [
        options(1, "processes1", 4, *dev),
        options(1, "cached1", 4, "--grad-cache", 1),
        options(2, "processes2", 4, *REGULARISED),
        options(2, "cached2", 4, *REGULARISED, "--grad-cache", 3),
    ]
    (tmp_path / "runs.json").write_text(json.dumps(together))
    words = [*TORCHRUN, str(Path(__file__).with_name("many_runs.py")), str(tmp_path / "runs.json")]
    process = _start(warm_python, *words)
    printed, _ = process.communicate()
    assert process.returncode == 0, printed

    start = weights(steady_model_dir)
    for name in ("processes1", "cached1", "processes2", "cached2", "cached3"):
        joined = tmp_path / f"joined{name[-1]}"
        for key in ("loss", "loss_sum"):
            assert logged(tmp_path / name, key) == pytest.approx(logged(joined, key), rel=1e-5)
        moved = {key: value - start[key] for key, value in weights(joined).items()}  # the gradients
        largest = max(value.abs().max().item() for value in moved.values())
        assert largest > 1e-2
        for key, value in weights(tmp_path / name).items():
            torch.testing.assert_close(value - start[key], moved[key], rtol=1e-3, atol=1e-5 * largest, msg=key)
    assert record(tmp_path / "processes1")["metrics"] == pytest.approx(record(tmp_path / "joined1")["metrics"])


@pytest.mark.slow
def test_a_killed_run_ends_with_the_weights_of_an_uninterrupted_one(
    tiny_model_dir: Path, task: Task, warm_python: str, tmp_path: Path
) -> None:
    """With dropout, GradCache, negatives drawn anew in each epoch, and a dev set that says which is best."""
    more = ["--max_steps", 30, "--learning_rate", 0.01, "--save_steps", 5, "--eval_steps", 5, "--grad-cache", 4]
    more += ["--dev", f"{task.source}:dev", "--temperature", 20]
    whole, killed = (task.options(2, tiny_model_dir, tmp_path / name, *more) for name in ("whole", "killed"))
    process = _start(warm_python, "-m", MODULE, *killed)
    while process.poll() is None and not (tmp_path / "killed" / "checkpoint-5" / "trainer_state.json").exists():
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    with pytest.raises(UserError, match="is not empty; add --resume"):
        main(killed)
    with pytest.raises(UserError, match=r"has temperature 20\.0, but this command 3\.0"):
        main([*killed, "--resume", "--temperature", "3"])
    with pytest.raises(UserError, match="has stage 2, but this command 3"):
        main([*killed, "--resume", "--stage", "3"])
    main([*killed, "--resume"])
    main(whole)
    expected, actual = weights(tmp_path / "whole"), weights(tmp_path / "killed")
    assert expected.keys() == actual.keys()
    assert all(torch.equal(value, actual[name]) for name, value in expected.items())
    last = [weights(tmp_path / name / "checkpoint-30") for name in ("whole", "killed")]
    assert all(torch.equal(value, last[1][name]) for name, value in last[0].items())
    assert logged(tmp_path / "whole", "loss") == logged(tmp_path / "killed", "loss")
    records = [record(tmp_path / name) for name in ("whole", "killed")]
    assert records[0]["metrics"] == records[1]["metrics"]
    assert records[0]["best_step"] == records[1]["best_step"]


@pytest.mark.slow
def test_a_mistake_exits_with_status_2_and_one_line(
    tiny_model_dir: Path, task: Task, run_command: RunCommand, tmp_path: Path
) -> None:
    bad = tmp_path / "bad.jsonl"
    bad.write_text('{"query_id": "q0", "negatives": ["d7"]}\n{"query_id": "q1", "negatives": ["nowhere"]}\n')
    options = task.options(2, tiny_model_dir, tmp_path / "out")
    finished = run_command("training.finetune", *options, "--negatives", bad)
    assert finished.returncode == 2
    assert finished.stderr.splitlines()[-1].startswith(f"error: {bad}:2: ")
    assert "nowhere" in finished.stderr.splitlines()[-1]
    assert "Traceback" not in finished.stderr
