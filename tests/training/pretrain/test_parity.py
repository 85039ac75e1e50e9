"""The preset ``released`` against numbers that the authors' released code computed."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from transformers import BertConfig, BertForMaskedLM

from pyserini_dupmae.modeling.vocabulary import ordinary_positions
from pyserini_dupmae.training.pretrain.objective import PARTS, PretrainModel
from pyserini_dupmae.training.pretrain.settings import PRESETS

FIXTURE = os.environ.get("DUPMAE_PARITY_FIXTURE") or Path(__file__).parents[1] / "data" / "dupmae_released"
DECODER_NAMES = {
    "attention.self": "",
    "attention.output.dense": "attention_output",
    "attention.output.LayerNorm": "attention_norm",
    "intermediate.dense": "intermediate",
    "output.dense": "output",
    "output.LayerNorm": "output_norm",
}


def _decoder_name(name: str) -> str:
    module, leaf = name.rsplit(".", 1)
    for theirs, ours in DECODER_NAMES.items():
        if module.startswith(theirs):
            return f"{ours or module.rsplit('.', 1)[1]}.{leaf}"
    raise KeyError(name)


def _prefixed(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _close(actual: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(actual, expected, rtol=1e-5, atol=1e-5 * expected.abs().max().item())


@pytest.fixture(scope="module")
def released() -> SimpleNamespace:
    tensors = load_file(f"{FIXTURE}.safetensors")
    numbers = json.loads(Path(f"{FIXTURE}.json").read_text())
    lm = BertForMaskedLM(BertConfig(**numbers["config"]))
    model = PretrainModel(lm, PRESETS["released"]).eval()
    missing, unexpected = lm.load_state_dict(_prefixed(tensors, "weights/lm."), strict=False)
    assert not unexpected
    assert set(missing) <= {"cls.predictions.decoder.weight", "cls.predictions.decoder.bias"}  # tied
    decoder = _prefixed(tensors, "weights/c_head.")
    model.decoder.load_state_dict({_decoder_name(name): value for name, value in decoder.items()})
    given = _prefixed(tensors, "batch/")
    batch = {
        "input_ids": given["decoder_input_ids"],
        "attention_mask": given["encoder_attention_mask"],
        "masked_ids": given["encoder_input_ids"],
        "labels": given["encoder_labels"],
        "visible": given["decoder_attention_mask"].bool(),
    }
    losses = model(**batch) / model.counts(batch)
    (losses * model.weights).sum().backward()
    return SimpleNamespace(tensors=tensors, numbers=numbers, model=model, given=given, batch=batch, losses=losses)


def test_losses(released: SimpleNamespace) -> None:
    expected = released.numbers["losses"]
    assert released.model.settings.bow_weight == expected["bow_loss_weight"]
    for part, loss in zip(PARTS, released.losses.tolist(), strict=True):
        assert loss == pytest.approx(expected[part], rel=1e-5)
    assert (released.losses * released.model.weights).sum().item() == pytest.approx(expected["total"], rel=1e-5)


def test_cls_and_mu(released: SimpleNamespace) -> None:
    encoded = released.model.encode(released.batch)
    _close(encoded.cls, released.tensors["out/cls"])
    _close(released.model.bag_of_words(encoded, released.batch), released.tensors["out/mu"])


def test_targets(released: SimpleNamespace) -> None:
    _close(released.model.bow_target(released.batch), released.given["bag_word_weight"])
    predicted = ordinary_positions(released.batch["attention_mask"])
    labels = torch.where(predicted, released.batch["input_ids"], -100)
    assert torch.equal(labels, released.given["decoder_labels"])


def test_gradients(released: SimpleNamespace) -> None:
    expected = _prefixed(released.tensors, "grad/")
    assert expected
    for name, gradient in expected.items():
        owner, inner = name.split(".", 1)
        if owner == "lm":
            _close(released.model.lm.get_parameter(inner).grad, gradient)
        else:
            _close(released.model.decoder.get_parameter(_decoder_name(inner)).grad, gradient)
