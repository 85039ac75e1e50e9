"""The command in this process, on a tiny model."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from pyserini_dupmae.modeling.initialise import initialise
from pyserini_dupmae.modeling.loading import load_model
from pyserini_dupmae.training.arguments import RunArguments
from pyserini_dupmae.training.data import CombinedTrainingSet, EpochSampling
from pyserini_dupmae.training.finetune.__main__ import main
from pyserini_dupmae.training.finetune.batches import Group, GroupCollator, Groups, Tokeniser
from pyserini_dupmae.training.finetune.model import FinetuneModel
from pyserini_dupmae.training.finetune.objective import Objective
from pyserini_dupmae.training.finetune.run import FinetuneArguments, finetune
from pyserini_dupmae.training.finetune.settings import FinetuneSettings
from pyserini_dupmae.training.finetune.trainer import FinetuneTrainer
from pyserini_dupmae.util.errors import UserError
from tests.helpers import RunCommand

from .conftest import TRAIN, Task, logged, record, weights

EPOCHS = 8


@pytest.fixture(scope="module")
def trained(masked_lm_dir: Path, task: Task, tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """The output folder of each stage, from a new model."""
    folders = {stage: tmp_path_factory.mktemp("trained") / str(stage) for stage in (1, 2, 3)}
    start = tmp_path_factory.mktemp("models") / "new"
    sizes = {"cls_dim": 16, "top_k": 24, "query_max_length": 16, "doc_max_length": 32}
    initialise(str(masked_lm_dir), ot_head="mlm", **sizes).save_pretrained(start)
    common = ["--num_train_epochs", EPOCHS, "--learning_rate", 0.01, "--preset", "paper"]
    dev = ["--dev", f"{task.source}:dev", "--eval_steps", 8, "--save_steps", 16]
    main(task.options(1, start, folders[1], *common, *dev, "--report_to", "tensorboard"))
    main(task.options(2, start, folders[2], *common, "--save_steps", 7, "--bf16"))
    distil = ["--distillation", "margin-mse", "--cls-weight", 0.5, "--sparsity", "l1", "--gradient_checkpointing"]
    main(task.options(3, start, folders[3], *common, *distil, "--grad-cache", 3))
    return folders


@pytest.mark.slow
def test_each_stage_learns(trained: dict[int, Path]) -> None:
    parts = {1: {"sum"}, 2: {"sum"}, 3: {"sum", "cls", "query_sparsity", "doc_sparsity"}}
    for stage, folder in trained.items():
        losses = logged(folder, "loss")
        assert len(losses) == record(folder)["steps"] == EPOCHS * (TRAIN // 8)
        assert np.mean(losses[-4:]) < 0.8 * np.mean(losses[:4]), stage
        history = record(folder)["history"]
        assert list(map(json.loads, (folder / "training.jsonl").read_text().splitlines())) == history
        last = [entry for entry in history if "loss" in entry][-1]
        assert {key.removeprefix("loss_") for key in last if key.startswith("loss_")} == parts[stage]
        assert last["loss"] == pytest.approx(sum(last[f"loss_{part}"] for part in parts[stage]))
    assert list(trained[1].rglob("events.out.tfevents*"))
    assert record(trained[2])["metrics"] == {}


@pytest.mark.slow
def test_the_result_is_a_model_that_encodes(
    trained: dict[int, Path], run_command: RunCommand, corpus_file: Path, tmp_path: Path
) -> None:
    for folder in trained.values():
        found = load_model(str(folder)).model.encode_texts(["value list"])
        assert torch.isfinite(found.cls).all()
        assert found.weights.max() > 0
    output = ["output", "--index", tmp_path / "out", "--store-only"]
    finished = run_command("encode", "input", "--corpus", corpus_file, *output, "encoder", "--encoder", trained[3])
    assert finished.returncode == 0, finished.stderr


def test_workers_that_read_the_data_change_nothing(tiny_model_dir: Path, task: Task, tmp_path: Path) -> None:
    more = ["--max_steps", 6, "--save_steps", 100]
    for workers in (0, 2):
        folder = tmp_path / str(workers)
        main(task.options(3, tiny_model_dir, folder, *more, "--dataloader_num_workers", workers))
    read, alone = weights(tmp_path / "2"), weights(tmp_path / "0")
    assert all(torch.equal(read[name], alone[name]) for name in alone)
    assert logged(tmp_path / "2", "loss") == logged(tmp_path / "0", "loss")


def test_what_workers_are_given_can_be_pickled(tiny_model_dir: Path, task: Task) -> None:
    """Where processes are not forked, the data and the collator go over as pickles."""
    data = CombinedTrainingSet([task.load()], scored=True)
    groups = Groups(data, EpochSampling(data, 0, 2, 3))
    collator = GroupCollator(Tokeniser(load_model(str(tiny_model_dir)).model), with_texts=True)
    again, collate = pickle.loads(pickle.dumps((groups, collator)))
    keys = [3, len(groups) + 3, 17]
    expected, found = collator([groups[key] for key in keys]), collate([again[key] for key in keys])
    assert expected.keys() == found.keys()
    assert found["texts"] == expected["texts"]
    for name in ("query", "rows", "scores"):
        assert torch.equal(found[name], expected[name])
    for name in ("queries", "documents"):
        assert torch.equal(found[name]["input_ids"], expected[name]["input_ids"])


def test_the_dev_set_is_searched_and_the_best_checkpoint_is_what_is_left(
    tiny_model_dir: Path, task: Task, tmp_path: Path
) -> None:
    """The dev set is searched where no checkpoint is due anyway, and at the end."""
    more = ["--learning_rate", 0.02, "--lr_scheduler_type", "constant", "--warmup_steps", 0, "--temperature", 20]
    more += ["--dev", f"{task.source}:dev", "--eval_steps", 5, "--save_steps", 7, "--max_steps", 23]
    main(task.options(1, tiny_model_dir, tmp_path, *more))
    found = {entry["step"]: entry for entry in record(tmp_path)["history"] if "eval_hybrid_mrr@10" in entry}
    assert list(found) == [0, 5, 10, 15, 20, 23]
    scores = {step: entry["eval_hybrid_mrr@10"] for step, entry in found.items() if step}
    best = max(scores, key=scores.__getitem__)
    assert record(tmp_path)["best_step"] == best
    saved, of_best, last = (weights(tmp_path / name) for name in (".", f"checkpoint-{best}", "checkpoint-23"))
    assert all(torch.equal(value, of_best[name]) for name, value in saved.items())
    assert all(torch.equal(value, last[name]) for name, value in saved.items()) == (best == 23)
    assert record(tmp_path)["metrics"]["eval_hybrid_mrr@10"] == scores[best]
    for mode in ("cls", "ot", "hybrid"):
        assert {f"eval_{mode}_mrr@10", f"eval_{mode}_ndcg@10"} <= found[5].keys()


class _Seen(Groups):
    """Remembers what was asked for."""

    def __init__(self, data: CombinedTrainingSet, sampling: EpochSampling):
        super().__init__(data, sampling)
        self.keys: list[int] = []

    def __getitem__(self, key: int) -> Group:
        self.keys.append(key)
        return super().__getitem__(key)


def test_every_epoch_asks_for_its_own_draws_of_every_query(tiny_model_dir: Path, task: Task, tmp_path: Path) -> None:
    data = CombinedTrainingSet([task.load()])

    def train(epochs: int, resume: bool) -> list[list[int]]:
        groups, model = _Seen(data, EpochSampling(data, 0, 2)), load_model(str(tiny_model_dir)).model
        options = {"num_train_epochs": epochs, "eval_strategy": "no", "eval_on_start": False, "use_cpu": True}
        training = RunArguments(str(tmp_path), save_steps=4, per_device_train_batch_size=8, report_to=[], **options)
        trainer = FinetuneTrainer(
            FinetuneModel(model),
            Objective(2, FinetuneSettings()),
            None,
            None,
            None,
            args=training,
            train_dataset=groups,
            data_collator=GroupCollator(Tokeniser(model)),
        )
        trainer.train(resume_from_checkpoint=resume)
        return [groups.keys[start : start + TRAIN] for start in range(0, len(groups.keys), TRAIN)]

    first, second = train(2, False)
    assert sorted(first) == list(range(TRAIN))
    assert sorted(second) == list(range(TRAIN, 2 * TRAIN))
    assert [key - TRAIN for key in second] != first  # another order
    (third,) = train(3, True)
    assert sorted(third) == list(range(2 * TRAIN, 3 * TRAIN))


@pytest.mark.parametrize(
    ("stage", "changed", "message"),
    [
        (1, ["--from", "/no/such/model"], "no model '/no/such/model'"),
        (1, ["--data", "/no/such/data"], "there is no training data '/no/such/data'"),
        (1, ["--negatives", "a.jsonl", "b.jsonl"], "--negatives names 2 files for 1 sources; give one for each --data"),
        (3, ["--scores", "a.tsv", "b.tsv"], "--scores names 2 files for 1 sources; give one for each --data"),
        (1, ["--per_device_train_batch_size", "33"], "32 queries do not fill one batch of 33; give a smaller"),
        (1, ["--embedding-teacher", "/no/such/teacher"], "cannot load the embedding teacher '/no/such/teacher'"),
        (1, ["--temperature", "0"], "temperature must be from 0.0001"),
        (1, ["--dev", "/no/such/dev"], "there is no training data '/no/such/dev'"),
        (1, ["--dev", "{source}:dev", "--metric_for_best_model", "mrr"], "must be one of cls_mrr@10, cls_ndcg@10"),
        (1, ["--no-such-option", "1"], "--no-such-option"),
        (1, ["--report_to", "nothing-known"], "nothing-known"),
    ],
)
def test_a_users_mistake_is_one_line(
    stage: int, changed: list[str], message: str, tiny_model_dir: Path, task: Task, tmp_path: Path
) -> None:
    given = [word.format(source=task.source) for word in changed]
    with pytest.raises(UserError) as raised:
        main(task.options(stage, tiny_model_dir, tmp_path / "out", *given))
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)
    assert not list((tmp_path / "out").glob("*.json"))


def test_what_a_stage_needs_is_named(tiny_model_dir: Path, masked_lm_dir: Path, task: Task, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"has no hard negatives; give those of training\.mine with --negatives"):
        main([*task.options(1, tiny_model_dir, tmp_path), "--stage", "2"])
    with pytest.raises(UserError, match=r"distillation needs the teacher's scores of .*give them with --scores"):
        main([*task.options(2, tiny_model_dir, tmp_path), "--stage", "3"])
    with pytest.raises(UserError, match=f"python -m pyserini_dupmae.init --from {masked_lm_dir}"):
        main(task.options(1, masked_lm_dir, tmp_path))


def test_the_function_does_what_the_command_does(tiny_model_dir: Path, task: Task, tmp_path: Path) -> None:
    more = ["--max_steps", 3, "--eval_steps", 1, "--save_steps", 1, "--dev", f"{task.source}:dev", "--sparsity", "l1"]
    main(task.options(3, tiny_model_dir, tmp_path / "command", *more))
    done = finetune(
        stage=3,
        model=tiny_model_dir,
        data=f"{task.source}:train",
        output=tmp_path / "function",
        negatives=[task.negatives],
        scores=task.scores,
        dev=f"{task.source}:dev",
        cache=task.cache,
        group_size=3,
        sparsity="l1",
        per_device_train_batch_size=8,
        logging_steps=1,
        max_steps=3,
        eval_steps=1,
        save_steps=1,
        use_cpu=True,
    )
    for name in ("model.safetensors", "run.json", "config.json"):
        assert (tmp_path / "function" / name).read_bytes() == (tmp_path / "command" / name).read_bytes(), name
    assert (done.folder, done.steps) == (tmp_path / "function", 3)
    assert done.best_step == record(tmp_path / "command")["best_step"]
    assert done.metrics == record(tmp_path / "command")["metrics"]


def test_a_ready_arguments_object_is_used_and_left_as_it_is(tiny_model_dir: Path, task: Task, tmp_path: Path) -> None:
    given = FinetuneArguments("elsewhere", max_steps=1, per_device_train_batch_size=8, use_cpu=True, report_to=[])
    data = {"model": tiny_model_dir, "data": f"{task.source}:train", "cache": task.cache}
    done = finetune(stage=1, output=tmp_path / "out", arguments=given, cls_weight=0.0, **data)
    assert done.steps == 1
    assert record(done.folder)["run"]["cls_weight"] == 0
    assert given.output_dir == "elsewhere"
    assert given.eval_strategy == "steps"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"stage": 4}, "stage must be 1, 2 or 3, got 4"),
        ({"preset": "best"}, "preset must be one of default, paper, got 'best'"),
        ({"learning_rat": 1.0}, "there is no option 'learning_rat'; did you mean 'learning_rate'?"),
        ({"eval_strategy": "never"}, "never"),
        ({"group_size": 1}, "group_size must be from 2"),
        ({"arguments": FinetuneArguments("x", use_cpu=True), "max_steps": 1}, "set max_steps in the arguments object"),
    ],
)
def test_a_mistake_in_python_is_a_user_error(options: dict, message: str, task: Task, tmp_path: Path) -> None:
    with pytest.raises(UserError) as raised:
        finetune(**{"stage": 1, "model": "none", "data": f"{task.source}:train", "output": tmp_path / "out"} | options)
    assert message in str(raised.value)
    assert not (tmp_path / "out").exists()
