"""The model against Eq. 6, 7 and 10 written out position by position."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import AutoModel

from pyserini_dupmae.modeling import DupMAEConfig, DupMAEModel
from pyserini_dupmae.modeling.choices import ACTIVATIONS
from pyserini_dupmae.modeling.equations import activate
from pyserini_dupmae.modeling.loading import load_model
from pyserini_dupmae.util.errors import UserError

TEXTS = ["Return the greatest common divisor of two integers.", "copy", "", "a file " * 60]
LENGTH = 40
CURVES = {"relu": lambda x: max(x, 0.0), "log1p_relu": lambda x: torch.tensor(max(x, 0.0)).log1p().item()}


def by_hand(model: DupMAEModel, text: str) -> tuple[torch.Tensor, torch.Tensor]:
    """cls (d',) and mu (|V|,) of one text, unpadded, from the encoder's hidden states and the head's weights."""
    config, head = model.config, model.ot_head
    ids = model.tokenizer(text, truncation=True, max_length=LENGTH)["input_ids"]
    hidden = model.encoder(input_ids=torch.tensor([ids])).last_hidden_state[0]
    mu = torch.full((config.vocab_size,), float("-inf"))
    for token_id, state in zip(ids, hidden, strict=True):
        if token_id == config.cls_token_id or (token_id == config.sep_token_id and not config.sep_is_ordinary):
            continue
        if config.ot_head == "mlm":
            state = torch.nn.functional.gelu(head.dense.weight @ state + head.dense.bias)
            state = (state - state.mean()) / (state.var(unbiased=False) + 1e-12).sqrt()
            state = state * head.layer_norm.weight + head.layer_norm.bias
            logits = model.get_input_embeddings().weight @ state + head.output.bias
        else:
            logits = head.output.weight @ state
        mu = torch.maximum(mu, logits)
    mu[config.vocab_limit :] = float("-inf")
    curve = CURVES.get(config.activation, lambda x: 0.0 if x == float("-inf") else x)
    return model.cls_projection.weight @ hidden[0], torch.tensor([curve(x) for x in mu.tolist()])


@pytest.fixture(params=["tiny_model_dir", "linear_model_dir"])
def model_dir(request: pytest.FixtureRequest) -> Path:
    return request.getfixturevalue(request.param)


@pytest.fixture
def model(model_dir: Path) -> DupMAEModel:
    return DupMAEModel.from_pretrained(model_dir).eval()


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize(("sep_is_ordinary", "known"), [(False, None), (True, 700)])
@torch.no_grad()
def test_forward_represent_and_encode_texts(model, activation, sep_is_ordinary, known):
    model.config.activation, model.config.sep_is_ordinary = activation, sep_is_ordinary
    model.config.vocab_limit = known or model.config.vocab_size
    batch = model.tokenizer(TEXTS, padding=True, truncation=True, max_length=LENGTH, return_tensors="pt")
    expected = [by_hand(model, text) for text in TEXTS]
    cls, mu = torch.stack([cls for cls, _ in expected]), torch.stack([mu for _, mu in expected])
    output = model(**batch)
    torch.testing.assert_close(output.cls, cls, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(output.mu, mu, rtol=1e-4, atol=1e-4)
    for got, want in zip(model.represent(batch["input_ids"], batch["attention_mask"]), (cls, mu), strict=True):
        torch.testing.assert_close(got, want, rtol=1e-4, atol=1e-4)
    encoded = model.encode_texts(TEXTS, max_length=LENGTH, full_bow=True)
    torch.testing.assert_close(encoded.cls, cls, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(encoded.bow, mu, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(encoded.weights, mu.sort(descending=True).values[:, :24], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(encoded.bow.gather(1, encoded.token_ids), encoded.weights)


def test_encode_texts_of_nothing(model):
    none = model.encode_texts([], full_bow=True)
    assert none.cls.shape == (0, 16)
    assert none.weights.shape == none.token_ids.shape == (0, 24)
    assert none.bow.shape == (0, model.config.vocab_size)
    (empty,) = model.encode_texts([""], full_bow=True).bow
    assert not empty.any()


def test_gradients_reach_every_parameter(model):
    batch = model.tokenizer(TEXTS[:2], padding=True, return_tensors="pt")
    output = model(**batch)
    (output.cls.square().sum() + output.mu.square().sum()).backward()
    assert [name for name, parameter in model.named_parameters() if parameter.grad is None] == []


def test_saved_and_loaded_is_the_same(model, tmp_path):
    model.save_pretrained(tmp_path / "copy")
    assert sorted(path.suffix for path in (tmp_path / "copy").iterdir() if "model" in path.name) == [".safetensors"]
    again = AutoModel.from_pretrained(tmp_path / "copy").eval()
    assert isinstance(again, DupMAEModel)
    assert again.fingerprint == model.fingerprint
    assert torch.equal(again.encode_texts(TEXTS).weights, model.encode_texts(TEXTS).weights)


def test_fingerprint_sees_weights_and_settings(model_dir):
    def fingerprint(**settings: object) -> str:
        return DupMAEModel.from_pretrained(model_dir, **settings).fingerprint

    changed = DupMAEModel.from_pretrained(model_dir)
    with torch.no_grad():
        changed.cls_projection.weight[0, 0] += 1e-3
    different = [fingerprint(), fingerprint(top_k=23), fingerprint(activation="none"), changed.fingerprint]
    assert len(set(different)) == len(different)
    assert fingerprint(query_max_length=20) == fingerprint()


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_is_close(model_dir, dtype):
    full, half = load_model(str(model_dir)), load_model(str(model_dir), dtype=dtype)
    assert half.identity == full.identity
    expected, got = (loaded.model.encode_texts(TEXTS, full_bow=True) for loaded in (full, half))
    assert got.cls.dtype == got.weights.dtype == torch.float32
    scale = expected.bow.abs().max()
    assert (got.bow - expected.bow).abs().max() < 0.05 * scale
    assert (got.cls - expected.cls).abs().max() < 0.05 * expected.cls.abs().max()


@pytest.mark.parametrize(
    "settings",
    [{"cls_dim": 0}, {"top_k": -1}, {"ot_head": "two"}, {"activation": "gelu"}, {"doc_max_length": 513}],
)
def test_configuration_refuses(settings):
    (name,) = settings
    with pytest.raises(ValueError, match=name):
        DupMAEConfig(**settings)


def test_unknown_activation():
    with pytest.raises(ValueError, match="gelu"):
        activate(torch.zeros(1, 1), "gelu")


@pytest.mark.parametrize(
    ("options", "named"),
    [({"dtype": "int8"}, "int8"), ({"device": "abacus"}, "abacus"), ({"name": "/absent"}, "no model '/absent'")],
)
def test_load_model_refuses(options, named, tiny_model_dir):
    with pytest.raises(UserError, match=named):
        load_model(**{"name": str(tiny_model_dir), **options})
