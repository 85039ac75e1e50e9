"""The dense part with mean pooling and with a scaled cosine, against plain Python, through every way to compute it."""

from __future__ import annotations

import math
from itertools import product
from pathlib import Path

import pytest
import torch
from transformers import AutoModel

from pyserini_dupmae.modeling import DupMAEConfig, DupMAEModel
from pyserini_dupmae.modeling.choices import DENSE_NORMS, POOLINGS
from pyserini_dupmae.modeling.equations import pool_tokens, scaled_unit
from pyserini_dupmae.modeling.initialise import initialise
from pyserini_dupmae.modeling.loading import load_model
from pyserini_dupmae.training.finetune.model import FinetuneModel
from pyserini_dupmae.util.errors import UserError

TEXTS = ["Return the greatest common divisor of two integers.", "copy", "", "a file " * 20]
SCALE = 12.5


def variant(folder: Path, pooling: str, dense_norm: str) -> DupMAEModel:
    """The model in ``folder`` with other settings, evaluating."""
    settings = {"pooling": pooling, "dense_norm": dense_norm}
    return initialise(str(folder), dense_scale=SCALE if dense_norm == "l2" else None, **settings).eval()


def by_hand(model: DupMAEModel, text: str) -> list[float]:
    """The dense vector of one text, which needs no padding, in Python's numbers."""
    ids = model.tokenizer(text)["input_ids"]
    hidden = model.encoder(input_ids=torch.tensor([ids])).last_hidden_state[0].tolist()
    if model.config.pooling == "mean":
        pooled = [sum(column) / len(hidden) for column in zip(*hidden, strict=True)]
    else:
        pooled = hidden[0]
    rows = model.cls_projection.weight.tolist()
    dense = [sum(w * h for w, h in zip(row, pooled, strict=True)) for row in rows]
    if model.config.dense_norm == "none":
        return dense
    length = math.sqrt(sum(value * value for value in dense))
    return [math.sqrt(SCALE) * value / length for value in dense]


@pytest.mark.parametrize(("pooling", "dense_norm"), list(product(POOLINGS, DENSE_NORMS)))
@torch.no_grad()
def test_every_way_gives_the_same_vector(tiny_model_dir, pooling, dense_norm):
    from pyserini_dupmae import encoders

    model = variant(tiny_model_dir, pooling, dense_norm)
    expected = torch.tensor([by_hand(model, text) for text in TEXTS])
    batch = model.tokenizer(TEXTS, padding=True, return_tensors="pt")
    texts = {name: batch[name] for name in ("input_ids", "attention_mask")}
    document_encoder = encoders.DupMAEDocumentEncoder(str(tiny_model_dir))
    document_encoder.model = model
    found = {
        "forward": model(**texts).cls,
        "represent": model.represent(**texts)[0],
        "encode_texts": model.encode_texts(TEXTS).cls,
        "one at a time": torch.cat([model.encode_texts([text]).cls for text in TEXTS]),
        "fine-tuning": FinetuneModel(model).represent(texts)[0],
        "Pyserini's document encoder": torch.from_numpy(document_encoder.encode(TEXTS)),
    }
    for way, dense in found.items():
        torch.testing.assert_close(dense, expected, rtol=1e-4, atol=1e-4, msg=lambda text, way=way: f"{way}: {text}")


def test_the_inner_product_is_the_scale_times_the_cosine(tiny_model_dir):
    dense = variant(tiny_model_dir, "mean", "l2").encode_texts(TEXTS).cls
    plain = variant(tiny_model_dir, "mean", "none").encode_texts(TEXTS).cls
    cosine = torch.nn.functional.cosine_similarity(plain[:, None], plain[None], dim=2)
    torch.testing.assert_close(dense @ dense.T, SCALE * cosine, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("pooling", POOLINGS)
def test_padding_changes_nothing_whatever_it_holds(pooling):
    hidden = torch.randn(2, 3, 4)
    mask = torch.tensor([[1, 1, 1], [1, 1, 0]])
    wider = torch.cat([hidden, torch.full((2, 2, 4), float("nan"))], dim=1)
    wider[1, 2] = float("inf")
    padded = pool_tokens(wider, torch.nn.functional.pad(mask, (0, 2)), pooling)
    assert torch.equal(padded, pool_tokens(hidden, mask, pooling))


def test_gradients_of_mean_and_scale():
    hidden = torch.randn(2, 3, 4, dtype=torch.double, requires_grad=True)
    scale = torch.tensor(3.0, dtype=torch.double, requires_grad=True)
    mask = torch.tensor([[1, 1, 1], [1, 1, 0]])
    assert torch.autograd.gradcheck(lambda h, s: scaled_unit(pool_tokens(h, mask, "mean"), s), (hidden, scale))
    scaled_unit(pool_tokens(hidden, mask, "mean"), scale).sum().backward()
    assert not hidden.grad[1, 2].any()  # padding
    assert hidden.grad[0].any(dim=1).all()


def test_the_scale_is_learned_and_saved(tiny_model_dir, tmp_path):
    model = variant(tiny_model_dir, "mean", "l2")
    batch = model.tokenizer(TEXTS, padding=True, return_tensors="pt")
    cls = FinetuneModel(model).represent({name: batch[name] for name in ("input_ids", "attention_mask")})[0]
    (cls @ cls.T).sum().backward()
    assert model.log_dense_scale.grad
    model.save_pretrained(tmp_path / "saved")
    again = AutoModel.from_pretrained(tmp_path / "saved")
    assert (again.config.pooling, again.config.dense_norm) == ("mean", "l2")
    assert again.dense_scale.item() == pytest.approx(SCALE)
    assert again.fingerprint == model.fingerprint


def test_other_models_have_no_scale(tiny_model_dir):
    model = variant(tiny_model_dir, "cls", "none")
    assert "log_dense_scale" not in dict(model.named_parameters())
    assert "log_dense_scale" not in model.state_dict()


def test_a_scale_that_a_checkpoint_lacks_begins_at_its_default(tiny_model_dir):
    assert DupMAEModel.from_pretrained(tiny_model_dir, dense_norm="l2").dense_scale.item() == pytest.approx(20.0)


def test_identity_tells_them_apart(tiny_model_dir):
    identities = {}
    for pooling, dense_norm in product(POOLINGS, DENSE_NORMS):
        model = variant(tiny_model_dir, pooling, dense_norm)
        identities[pooling, dense_norm] = model.fingerprint
    assert len(set(identities.values())) == 4
    assert identities["cls", "none"] == load_model(str(tiny_model_dir)).identity.fingerprint


def test_the_fingerprint_of_a_model_made_before_there_were_these_settings_is_what_it_was():
    torch.manual_seed(0)
    encoder = {"model_type": "bert", "vocab_size": 7, "hidden_size": 4, "num_hidden_layers": 1}
    encoder |= {"num_attention_heads": 1, "intermediate_size": 4, "max_position_embeddings": 8}
    sizes = {"cls_dim": 2, "top_k": 3, "query_max_length": 8, "doc_max_length": 8, "cls_token_id": 1, "sep_token_id": 2}
    model = DupMAEModel(DupMAEConfig(encoder, **sizes))
    for number, parameter in enumerate(model.parameters()):
        torch.nn.init.constant_(parameter, number / 8)
    # Written down from the version that did not have them.
    assert model.fingerprint == "e8637c983c8a681403c8ec69ba3053839ee0ef2532b2dfba3508d65b04487a28"


@pytest.mark.parametrize("settings", [{"pooling": "max"}, {"dense_norm": "l1"}])
def test_configuration_refuses(settings):
    (name,) = settings
    with pytest.raises(ValueError, match=name):
        DupMAEConfig(**settings)
    with pytest.raises(ValueError, match="max"):
        pool_tokens(torch.zeros(1, 1, 1), torch.ones(1, 1), "max")


def test_a_scale_needs_something_to_multiply(tiny_model_dir):
    with pytest.raises(UserError, match="--dense-scale"):
        initialise(str(tiny_model_dir), dense_scale=3.0)
