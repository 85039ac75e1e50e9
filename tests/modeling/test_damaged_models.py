"""A model whose files are damaged, or another library's pickles, is one sentence that names what is wrong."""

import json
import shutil
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import BertConfig, BertForMaskedLM

from pyserini_dupmae.modeling import DupMAEModel
from pyserini_dupmae.modeling.initialise import init
from pyserini_dupmae.modeling.loading import load_model
from pyserini_dupmae.training.pair.train import PairTrainer
from pyserini_dupmae.training.run_folder import TrainingRun
from pyserini_dupmae.util.errors import UserError
from tests.helpers import tiny_bert

WEIGHTS = "model.safetensors"


@pytest.fixture
def model(tiny_model_dir, tmp_path):
    """A copy of the small model, to be damaged."""
    return shutil.copytree(tiny_model_dir, tmp_path / "model")


def change_weights(folder, change):
    tensors = load_file(folder / WEIGHTS)
    change(tensors)
    save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})


def change_config(folder, change):
    config = json.loads((folder / "config.json").read_text())
    change(config)
    (folder / "config.json").write_text(json.dumps(config))


def refused(folder, message):
    """The error of loading the model, which is one line that says ``message``."""
    with pytest.raises(UserError, match=message) as caught:
        load_model(str(folder))
    text = str(caught.value)
    assert repr(str(folder)) in text
    assert "\n" not in text
    assert not text.endswith(":")
    assert len(text) < len(str(folder)) + 400


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda tensors: tensors.pop("cls_projection.weight"), "not complete: cls_projection.weight missing"),
        (lambda tensors: tensors.pop("ot_head.dense.bias"), "not complete: ot_head.dense.bias missing"),
        (lambda tensors: tensors.update(more=torch.zeros(2)), "has no place for more"),
        (
            lambda tensors: tensors.update({"cls_projection.weight": torch.zeros(2, 3)}),
            r"cls_projection.weight is \(2, 3\), not \(16, 32\)",
        ),
        (lambda tensors: tensors["cls_projection.weight"][0].fill_(torch.nan), "cls_projection.weight has NaN"),
        (lambda tensors: tensors["ot_head.output.bias"][3:4].fill_(torch.inf), "ot_head.output.bias has NaN or inf"),
    ],
)
def test_a_tensor_that_is_missing_or_damaged_is_named(model, change, message):
    change_weights(model, change)
    refused(model, message)


@pytest.mark.parametrize("left", [0, 4, 100, 10_000])
def test_weights_that_are_cut_short(model, left):
    (model / WEIGHTS).write_bytes((model / WEIGHTS).read_bytes()[:left])
    refused(model, "only safetensors are read")


@pytest.mark.parametrize("name", ["tokenizer.json", "tokenizer_config.json"])
@pytest.mark.parametrize("content", [None, "", "{}", "[1]", '{"a": [', "[" * 100_000])
def test_damaged_tokenizers(model, name, content):
    if content is None:
        (model / name).unlink()
    else:
        (model / name).write_text(content)
    refused(model, "tokenizer of")


@pytest.mark.parametrize("content", ["", "5", "null", "[1]", '"x"', '{"model_type": "dupmae"', "[" * 100_000])
def test_a_configuration_that_is_none(model, content):
    (model / "config.json").write_text(content)
    refused(model, "holds no model")


@pytest.mark.parametrize(
    "change",
    [
        lambda config: config.update(encoder=5),
        lambda config: config.update(encoder={}),
        lambda config: config.update(cls_dim="wide"),
        lambda config: config.update(pooling=None),
        lambda config: config.update(vocab_limit="x"),
        lambda config: config["encoder"].update(model_type="nothing"),
        lambda config: config["encoder"].update(hidden_size=0),
        lambda config: config["encoder"].update(hidden_act="nothing"),
        lambda config: config["encoder"].update(num_hidden_layers=1),
        lambda config: config["encoder"].update(vocab_size=10),
    ],
)
def test_a_configuration_of_the_wrong_shape(model, change):
    change_config(model, change)
    refused(model, "cannot load|holds no model|do not fit")


def test_a_pickle_is_never_read(model, tmp_path):
    state = DupMAEModel.from_pretrained(model).state_dict()
    (model / WEIGHTS).unlink()
    torch.save({**state, "code": Code(tmp_path / "ran")}, model / "pytorch_model.bin")
    refused(model, "only safetensors are read")
    assert not (tmp_path / "ran").exists()


class Code:
    """What runs when a pickle of it is read."""

    def __init__(self, ran):
        self.ran = ran

    def __reduce__(self):
        return (self.ran.touch, ())


def test_the_state_of_a_run_is_read_without_running_it(tmp_path):
    torch.save({"model": Code(tmp_path / "ran")}, tmp_path / "state.pt")
    trainer = SimpleNamespace(options=SimpleNamespace(device="cpu"))
    with pytest.raises(UserError, match=r"the state of the run in .*state\.pt"):
        PairTrainer.resume(trainer, tmp_path / "state.pt")
    assert not (tmp_path / "ran").exists()


def test_a_checkpoint_that_cannot_be_read_is_named(tmp_path):
    def train(resume_from_checkpoint):
        torch.load(resume_from_checkpoint, weights_only=True)  # as the Trainer does

    torch.save({"optimizer": Code(tmp_path / "ran")}, tmp_path / "checkpoint-1")
    trainer = SimpleNamespace(train=train, is_world_process_zero=lambda: False, add_callback=lambda callback: None)
    run = object.__new__(TrainingRun)
    run.output, run.resumed, run.started_with = tmp_path, tmp_path / "checkpoint-1", {}
    with pytest.raises(UserError, match=r"the checkpoint .*checkpoint-1 is damaged"):
        run.complete(lambda: trainer, evaluates=False)
    assert not (tmp_path / "ran").exists()


def test_a_masked_lm_with_damaged_weights_is_named(tiny_model_dir, tmp_path):
    source = tmp_path / "bert"
    BertForMaskedLM(tiny_bert(1000)).save_pretrained(source)
    shutil.copy(tiny_model_dir / "tokenizer.json", source)
    shutil.copy(tiny_model_dir / "tokenizer_config.json", source)
    name = "bert.encoder.layer.0.output.dense.weight"
    for damage, message in [
        (lambda tensors: tensors[name][0].fill_(torch.nan), f"{name} has NaN"),
        (lambda tensors: tensors.update({name: torch.zeros(1)}), rf"{name} is \(1,\), not \(32, 64\)"),
        (lambda tensors: tensors.pop(name), f"lacks 1 parameters of its encoder, {name}"),
    ]:
        change_weights(source, damage)
        with pytest.raises(UserError, match=message):
            init(source, output=tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "options",
    [
        {"ot_scale": 0.0},
        {"ot_scale": -1.0},
        {"ot_scale": float("nan")},
        {"ot_scale": float("inf")},
        {"ot_threshold": float("nan")},
        {"ot_threshold": float("-inf")},
        {"dense_norm": "l2", "dense_scale": float("nan")},
        {"dense_norm": "l2", "dense_scale": 0.0},
    ],
)
def test_numbers_that_would_spoil_a_model_are_refused(tiny_model_dir, tmp_path, options):
    with pytest.raises(UserError, match="give a finite number"):
        init(tiny_model_dir, output=tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_a_configuration_without_weights_is_no_model(tmp_path):
    BertConfig().save_pretrained(tmp_path / "bert")
    with pytest.raises(UserError, match="only safetensors are read"):
        init(tmp_path / "bert", output=tmp_path / "out")
