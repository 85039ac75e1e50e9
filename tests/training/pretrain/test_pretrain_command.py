"""The command, run as a user runs it, on a tiny model."""

from __future__ import annotations

import json
import resource
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoTokenizer, BertForMaskedLM

from pyserini_dupmae.modeling.initialise import initialise
from pyserini_dupmae.training.pretrain.__main__ import main
from pyserini_dupmae.training.pretrain.checkpoint import load_model
from pyserini_dupmae.training.pretrain.run import pretrain
from pyserini_dupmae.training.pretrain.settings import METHODS, PRESETS
from pyserini_dupmae.util.command import run_command as run_here
from pyserini_dupmae.util.errors import USER_ERROR_STATUS, UserError
from tests.helpers import RunCommand

COMMON = ["--max-length", "34", "--eval-documents", "20", "--per_device_train_batch_size", "8", "--logging_steps", "1"]
SGD = ["--optim", "sgd", "--learning_rate", "1", "--lr_scheduler_type", "constant", "--warmup_steps", "0"]
SGD += ["--weight_decay", "0", "--max_grad_norm", "0", "--max_steps", "1", "--eval-documents", "0"]


def _options(model: Path, corpus: Path, output: Path, *more: object) -> list[str]:
    return ["--from", str(model), "--data", str(corpus), "--output", str(output), *COMMON, *map(str, more)]


def _weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors") | load_file(folder / "pretrain.safetensors")


def _history(folder: Path, key: str) -> list[dict[str, Any]]:
    return [entry for entry in json.loads((folder / "pretrain.json").read_text())["history"] if key in entry]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tokens")


@pytest.fixture(scope="module")
def trained(
    masked_lm_dir: Path,
    corpus_file: Path,
    cache: Path,
    run_command: RunCommand,
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Path]:
    """The output folder of each method."""
    folders = {method: tmp_path_factory.mktemp("trained") / method for method in METHODS}
    for method, folder in folders.items():
        more = ["--method", method, "--cache", cache / method, "--max_steps", 12, "--learning_rate", 0.003, "--use_cpu"]
        more += ["--preset", "paper"] if method == "ot-only" else ["--bf16", "--report_to", "tensorboard"]
        finished = run_command("training.pretrain", *_options(masked_lm_dir, corpus_file, folder, *more))
        assert finished.returncode == 0, finished.stderr
    return folders


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_each_method_trains_and_leaves_a_masked_lm(method: str, trained: dict[str, Path]) -> None:
    out = trained[method]
    decodes_cls, decodes_ot = method != "ot-only", method in ("dupmae", "ot-only")
    parts = {"mlm"} | ({"decoder"} if decodes_cls else set()) | ({"bow"} if decodes_ot else set())
    steps, evaluations = _history(out, "loss"), _history(out, "eval_loss")
    assert len(steps) == 12
    assert {key.removeprefix("loss_") for key in steps[0] if key.startswith("loss_")} == parts
    for part in parts:
        assert evaluations[-1][f"eval_loss_{part}"] < evaluations[0][f"eval_loss_{part}"]
    lm, info = BertForMaskedLM.from_pretrained(out, output_loading_info=True)
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    batch = AutoTokenizer.from_pretrained(out)(["return the [MASK] of a list"], return_tensors="pt")
    assert torch.isfinite(lm(**batch).logits).all()
    beside = {name.split(".")[0] for name in load_file(out / "pretrain.safetensors")}
    assert beside == ({"decoder"} if decodes_cls else {"projection"})
    assert bool(list(out.rglob("events.out.tfevents*"))) == decodes_cls


@pytest.mark.slow
def test_init_takes_the_head_that_was_trained(trained: dict[str, Path]) -> None:
    for method, ot_head in (("dupmae", "mlm"), ("ot-only", "linear")):
        sizes = {"cls_dim": 16, "top_k": 24, "query_max_length": 32, "doc_max_length": 64}
        model = initialise(str(trained[method]), ot_head=ot_head, **sizes)
        weights = _weights(trained[method])
        head = weights["projection"] if ot_head == "linear" else weights["bert.embeddings.word_embeddings.weight"]
        assert torch.equal(model.ot_head.output.weight, head)
        if ot_head == "mlm":
            assert torch.equal(model.ot_head.output.bias, weights["cls.predictions.bias"])


@pytest.mark.slow
def test_two_processes_and_accumulation_give_the_gradients_of_the_joined_batch(
    steady_lm_dir: Path, corpus_file: Path, cache: Path, warm_python: str, tmp_path: Path
) -> None:
    def options(name: str, batch: int, accumulated: int) -> list[str]:
        more = [*SGD, "--cache", cache, "--use_cpu", "--per_device_train_batch_size", batch]
        more += ["--gradient_accumulation_steps", accumulated]
        return _options(steady_lm_dir, corpus_file, tmp_path / name, *more)

    main(options("joined", 8, 1))
    main(options("accumulated", 2, 4))
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    command = [warm_python, *torchrun, "-m", "pyserini_dupmae.training.pretrain", *options("processes", 4, 1)]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    joined = _weights(tmp_path / "joined")
    for name in ("processes", "accumulated"):
        for key in ("loss", "loss_mlm", "loss_decoder", "loss_bow"):
            (expected,), (actual,) = (_history(tmp_path / run, key) for run in ("joined", name))
            assert actual[key] == pytest.approx(expected[key], rel=1e-5)
        for parameter, value in _weights(tmp_path / name).items():
            torch.testing.assert_close(value, joined[parameter], rtol=1e-5, atol=1e-6)
    # Plain SGD at rate 1: how far a weight moved is its gradient. Keys' biases have none, a softmax ignores them.
    start = load_file(steady_lm_dir / "model.safetensors")
    still = [name for name, value in start.items() if torch.allclose(joined[name], value, atol=1e-6)]
    assert all(name.endswith("key.bias") for name in still)


@pytest.mark.slow
def test_a_resumed_run_ends_with_the_weights_of_an_uninterrupted_one(
    masked_lm_dir: Path, corpus_file: Path, cache: Path, tmp_path: Path, log: pytest.LogCaptureFixture
) -> None:
    """That a killed run can be resumed is tested with fine-tuning; here, that the decoder and the masks go on."""
    more = ["--cache", cache, "--max_steps", 26, "--save_steps", 20, "--eval_steps", 24, "--learning_rate", 0.001]
    more += ["--per_device_train_batch_size", 32]  # 23 steps an epoch
    whole, cut = (_options(masked_lm_dir, corpus_file, tmp_path / name, *more) for name in ("whole", "cut"))
    main(whole)
    shutil.copytree(tmp_path / "whole" / "checkpoint-20", tmp_path / "cut" / "checkpoint-20")
    shutil.copy(tmp_path / "whole" / "run.json", tmp_path / "cut")
    incomplete = tmp_path / "cut" / "checkpoint-1000"
    incomplete.mkdir()
    (incomplete / "model.safetensors").write_bytes(b"half")
    with pytest.raises(UserError, match=r"has learning_rate 0\.001, but this command 0\.5"):
        main([*cut, "--resume", "--learning_rate", "0.5"])
    main([*cut, "--resume"])
    assert "checkpoint-1000, which was not written to its end" in log.text
    expected, actual = _weights(tmp_path / "whole"), _weights(tmp_path / "cut")
    assert expected.keys() == actual.keys()
    assert all(torch.equal(value, actual[name]) for name, value in expected.items())
    logged = [[entry["loss"] for entry in _history(tmp_path / name, "loss")] for name in ("whole", "cut")]
    assert logged[0] == logged[1]
    assert _history(tmp_path / "cut", "loss")[-1]["epoch"] > 1  # what was resumed crosses an epoch


def test_a_full_disk_is_one_line_and_the_run_goes_on_where_there_is_room(
    masked_lm_dir: Path, corpus_file: Path, cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    more = ["--cache", cache, "--max_steps", 4, "--save_steps", 2, "--eval_strategy", "no"]
    whole, cut = (_options(masked_lm_dir, corpus_file, tmp_path / name, *more) for name in ("whole", "cut"))
    main(whole)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    room = (tmp_path / "whole" / "model.safetensors").stat().st_size - 1
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, limits[1]))
    try:
        with pytest.raises(SystemExit) as ended:
            run_here(lambda: main(cut))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert ended.value.code == USER_ERROR_STATUS
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert "space" in line
    assert not (tmp_path / "cut" / "model.safetensors").exists()
    main([*cut, "--resume"])
    expected, actual = _weights(tmp_path / "whole"), _weights(tmp_path / "cut")
    assert all(torch.equal(value, actual[name]) for name, value in expected.items())


def test_the_function_does_what_the_command_does(
    masked_lm_dir: Path, corpus_file: Path, cache: Path, tmp_path: Path
) -> None:
    main(_options(masked_lm_dir, corpus_file, tmp_path / "command", "--cache", cache, "--max_steps", 2, "--use_cpu"))
    done = pretrain(
        model=masked_lm_dir,
        data=corpus_file,
        output=tmp_path / "function",
        max_length=34,
        eval_documents=20,
        cache=cache,
        per_device_train_batch_size=8,
        logging_steps=1,
        max_steps=2,
        use_cpu=True,
    )
    for name in ("model.safetensors", "pretrain.safetensors", "run.json", "config.json"):
        assert (tmp_path / "function" / name).read_bytes() == (tmp_path / "command" / name).read_bytes(), name
    assert (done.folder, done.steps) == (tmp_path / "function", 2)
    assert done.metrics["eval_loss"] == _history(tmp_path / "command", "eval_loss")[-1]["eval_loss"]
    assert str(done).startswith(f"{tmp_path / 'function'}: 2 steps in ")


def test_pretraining_goes_on_with_the_decoder_on_another_corpus(
    masked_lm_dir: Path, corpus_file: Path, cache: Path, tmp_path: Path, log: pytest.LogCaptureFixture
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    main(_options(masked_lm_dir, corpus_file, first, "--cache", cache, "--max_steps", 1))
    (tmp_path / "other.txt").write_text("another corpus with another text in it\n" * 30)
    still = ["--max_steps", 1, "--learning_rate", 0]
    log.clear()
    main(_options(first, tmp_path / "other.txt", second, *still))
    assert "newly initialised" not in log.text
    assert "starts anew" not in log.text
    expected, actual = _weights(first), _weights(second)
    assert all(torch.equal(value, actual[name]) for name, value in expected.items())


def test_from_scratch_takes_the_configuration_alone(
    masked_lm_dir: Path, corpus_file: Path, cache: Path, tmp_path: Path
) -> None:
    still = ["--max_steps", 1, "--learning_rate", 0, "--cache", cache, "--from-scratch"]
    main(_options(masked_lm_dir, corpus_file, tmp_path / "out", *still))
    before, after = load_file(masked_lm_dir / "model.safetensors"), load_file(tmp_path / "out" / "model.safetensors")
    assert before.keys() == after.keys()
    name = "bert.encoder.layer.0.attention.self.query.weight"
    assert not torch.equal(before[name], after[name])


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"--from": "/no/such/model"}, "no model '/no/such/model'"),
        ({"--data": "/no/such/file.jsonl"}, "no file or folder '/no/such/file.jsonl'"),
        ({"--max-length": "81"}, "--max-length 81 does not fit: the model takes 80 tokens"),
        ({"--encoder-mask": "1.5"}, "encoder_mask must be from 0 to 1, got 1.5"),
        ({"--bow-weight": "-1"}, "bow_weight must be from 0"),
        ({"--no-such-option": "1"}, "--no-such-option"),
        ({"--report_to": "nothing-known"}, "nothing-known"),
        ({"--learning_rate": "nan"}, "--learning_rate is nan; give a number from 0 to 100"),
        ({"--learning_rate": "-1"}, "--learning_rate is -1.0; give a number from 0 to 100"),
        ({"--per_device_train_batch_size": "0"}, "--per_device_train_batch_size is 0; give a number from 1"),
        ({"--gradient_accumulation_steps": "-2"}, "gradient_accumulation_steps is -2; give a number from 1"),
        ({"--num_train_epochs": "inf"}, "--num_train_epochs is inf; give a number from 0"),
        ({"--seed": "-1"}, "seed is -1; give a number from 0"),
    ],
)
def test_a_users_mistake_is_one_line(
    changed: dict[str, str], message: str, masked_lm_dir: Path, corpus_file: Path, tmp_path: Path
) -> None:
    options = _options(masked_lm_dir, corpus_file, tmp_path / "out")
    for option, value in changed.items():
        options = [*options, option, value]
    with pytest.raises(UserError) as raised:
        main(options)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)
    assert not list((tmp_path / "out").glob("*.json"))


def test_a_dupmae_model_is_not_a_masked_lm(tiny_model_dir: Path, corpus_file: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is a model of type 'dupmae'; pre-training takes one of type bert"):
        main(_options(tiny_model_dir, corpus_file, tmp_path / "out"))


def test_a_folder_that_is_no_run_is_never_deleted(masked_lm_dir: Path, corpus_file: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(UserError, match="something else than a training run"):
        main(_options(masked_lm_dir, corpus_file, tmp_path, "--overwrite"))
    assert (tmp_path / "thesis.tex").exists()


@pytest.mark.slow
def test_a_mistake_on_the_command_line_exits_with_status_2(
    masked_lm_dir: Path, run_command: RunCommand, tmp_path: Path
) -> None:
    bad = tmp_path / "bad.jsonl"
    bad.write_text('{"text": "fine"}\nnot json\n')
    failed = run_command("training.pretrain", *_options(masked_lm_dir, bad, tmp_path / "out"))
    assert failed.returncode == 2
    assert failed.stderr.splitlines()[-1].startswith(f"error: {bad}:2: not JSON")
    assert "Traceback" not in failed.stderr


def test_a_head_that_the_checkpoint_lacks_begins_as_the_identity(
    masked_lm_dir: Path, tmp_path: Path, log: pytest.LogCaptureFixture
) -> None:
    BertForMaskedLM.from_pretrained(masked_lm_dir).bert.save_pretrained(tmp_path)
    lm = load_model(str(tmp_path), PRESETS["released"]).lm
    assert "newly initialised" in log.text
    head, width = lm.cls.predictions.transform, lm.config.hidden_size
    assert torch.equal(head.dense.weight, torch.eye(width))
    assert not head.dense.bias.any()
    kept = load_model(str(masked_lm_dir), PRESETS["released"]).lm.cls.predictions.transform.dense.weight
    assert torch.equal(kept, BertForMaskedLM.from_pretrained(masked_lm_dir).cls.predictions.transform.dense.weight)
