"""The bag of words over a power of its sum, against plain Python, through every way to compute it."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from pyserini_dupmae.modeling import DupMAEConfig, DupMAEModel
from pyserini_dupmae.modeling.equations import by_sum
from pyserini_dupmae.modeling.initialise import initialise
from pyserini_dupmae.modeling.query_encoder import QueryModel
from pyserini_dupmae.training.finetune.model import FinetuneModel

TEXTS = ["Return the greatest common divisor of two integers.", "copy", "", "a file " * 5]
SCALE, POWER = 1.7, 0.4


def normed(folder: Path, **settings: str) -> DupMAEModel:
    """The model in ``folder`` with the norm and parameters of its own, evaluating."""
    model = initialise(str(folder), ot_norm="sum", **settings).eval()
    with torch.no_grad():
        model.log_ot_scale.fill_(math.log(SCALE))
        model.ot_power.fill_(POWER)
    return model


@pytest.mark.parametrize("activation", ["relu", "log1p_relu"])
@torch.no_grad()
def test_every_way_gives_the_same_weights(tiny_model_dir, tmp_path, activation):
    plain = initialise(str(tiny_model_dir), activation=activation).eval()
    model = normed(tiny_model_dir, activation=activation)
    model.save_pretrained(tmp_path / "model")
    rows = [plain.encode_texts([text], full_bow=True).bow[0].tolist() for text in TEXTS]
    expected = torch.tensor([[SCALE * w / max(sum(row), 1e-30) ** POWER for w in row] for row in rows])
    assert expected[0].any()
    assert not expected[2].any()
    batch = model.tokenizer(TEXTS, padding=True, return_tensors="pt")
    texts = {name: batch[name] for name in ("input_ids", "attention_mask")}
    queries = QueryModel.load(str(tmp_path / "model")).encode(TEXTS)
    found = {
        "forward": model(**texts).mu,
        "represent": model.represent(**texts)[1],
        "fine-tuning": FinetuneModel(model).represent(texts)[1],
        "one at a time": torch.cat([model.encode_texts([text], full_bow=True).bow for text in TEXTS]),
        "queries": torch.stack([torch.from_numpy(query.mu(model.config.vocab_size)) for query in queries]),
    }
    for way, mu in found.items():
        torch.testing.assert_close(mu, expected, rtol=1e-4, atol=1e-5, msg=lambda text, way=way: f"{way}: {text}")


def test_gradients():
    weights = torch.rand(3, 5, dtype=torch.double, requires_grad=True)
    scale = torch.tensor(SCALE, dtype=torch.double, requires_grad=True)
    power = torch.tensor(POWER, dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradcheck(by_sum, (weights, scale, power))
    empty = torch.zeros(1, 4, requires_grad=True)
    by_sum(empty, torch.tensor(SCALE), torch.tensor(POWER)).sum().backward()
    assert empty.grad.isfinite().all()


def test_the_norm_is_learned_saved_and_part_of_the_identity(tiny_model_dir, tmp_path):
    model = normed(tiny_model_dir)
    batch = model.tokenizer(TEXTS, padding=True, return_tensors="pt")
    mu = FinetuneModel(model).represent({name: batch[name] for name in ("input_ids", "attention_mask")})[1]
    (mu @ mu.T).sum().backward()
    assert model.log_ot_scale.grad
    assert model.ot_power.grad
    model.save_pretrained(tmp_path / "saved")
    again = DupMAEModel.from_pretrained(tmp_path / "saved")
    assert (again.log_ot_scale.exp().item(), again.ot_power.item()) == pytest.approx((SCALE, POWER))
    assert again.fingerprint == model.fingerprint
    plain = initialise(str(tmp_path / "saved"), ot_norm="none")
    assert plain.fingerprint == DupMAEModel.from_pretrained(tiny_model_dir).fingerprint
    assert not {"log_ot_scale", "ot_power"} & set(plain.state_dict())


def test_parameters_that_a_checkpoint_lacks_begin_at_their_defaults(tiny_model_dir):
    model = DupMAEModel.from_pretrained(tiny_model_dir, ot_norm="sum")
    assert (model.log_ot_scale.exp().item(), model.ot_power.item()) == pytest.approx((2.5, 0.25))


def test_configuration_refuses():
    with pytest.raises(ValueError, match="ot_norm"):
        DupMAEConfig(ot_norm="mean")
    with pytest.raises(ValueError, match="activation is 'none'"):
        DupMAEConfig(ot_norm="sum", activation="none")
