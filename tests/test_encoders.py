"""The encoders behind Pyserini's interfaces against the model itself."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
from pyserini.encode import AutoDocumentEncoder, AutoQueryEncoder, DocumentEncoder, QueryEncoder

from pyserini_dupmae import DupMAEDocumentEncoder, DupMAEImpactQueryEncoder, DupMAEModel, DupMAEQueryEncoder
from pyserini_dupmae.modeling.impacts import MAX_TERMS, QUERY_SCALE
from pyserini_dupmae.util.errors import UserError

TEXTS = ["draw a circle with the turtle", "largest value", "extract all members of a tar archive"]


@pytest.fixture(scope="module", params=["tiny_model_dir", "linear_model_dir"])
def model_dir(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(request.param))


@pytest.fixture(scope="module")
def model(model_dir: str) -> DupMAEModel:
    return DupMAEModel.from_pretrained(model_dir)


def test_query_encoder_gives_the_reduced_cls(model_dir: str, model: DupMAEModel):
    encoder = DupMAEQueryEncoder(encoder_dir=model_dir, tokenizer_name=None, device="cpu", prefix=None, pooling="cls")
    assert isinstance(encoder, QueryEncoder)
    expected = model.encode_texts(TEXTS, max_length=model.config.query_max_length).cls.numpy()
    np.testing.assert_allclose(encoder.encode_batch(TEXTS), expected, rtol=1e-4, atol=1e-5)
    one = encoder.encode(TEXTS[0])
    assert one.shape == (model.config.cls_dim,)
    assert one.dtype == np.float32
    np.testing.assert_allclose(one, expected[0], rtol=1e-4, atol=1e-5)


def test_prefix_is_part_of_the_query(model_dir: str):
    with_prefix = DupMAEQueryEncoder(model_dir, prefix="query:").encode("largest value")
    np.testing.assert_array_equal(with_prefix, DupMAEQueryEncoder(model_dir).encode("query: largest value"))


def test_impact_encoder_gives_the_rounded_weights_of_mu(model_dir: str, model: DupMAEModel):
    encoder = DupMAEImpactQueryEncoder(model_dir)
    for text in TEXTS:
        mu = model.encode_texts([text], max_length=model.config.query_max_length, full_bow=True).bow[0].numpy()
        impacts = encoder.encode(text)
        assert all(isinstance(weight, int) and weight > 0 for weight in impacts.values())
        assert len(impacts) <= MAX_TERMS
        got = np.array([impacts.get(term, 0) for term in model.terms]) / QUERY_SCALE
        np.testing.assert_allclose(got, mu, atol=0.51 / QUERY_SCALE)


def test_only_the_largest_weights_fit_into_a_lucene_query(model_dir: str, monkeypatch: pytest.MonkeyPatch):
    encoder = DupMAEImpactQueryEncoder(model_dir)
    every = encoder.encode(TEXTS[0])
    monkeypatch.setattr("pyserini_dupmae.modeling.impacts.MAX_TERMS", 7)
    assert sorted(encoder.encode(TEXTS[0]).values()) == sorted(every.values())[-7:]


def test_a_query_without_a_known_token_has_no_terms(model_dir: str):
    assert DupMAEImpactQueryEncoder(model_dir).encode("☃") == {}
    assert DupMAEQueryEncoder(model_dir).encode("☃").any()


def test_document_encoder_gives_the_reduced_cls(model_dir: str, model: DupMAEModel, corpus: list[tuple[str, str]]):
    texts = [text for _, text in corpus[::30]]
    encoder = DupMAEDocumentEncoder(model_name=model_dir, device="cpu")
    assert isinstance(encoder, DocumentEncoder)
    got = encoder.encode(texts, max_length=256, fp16=False)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, model.encode_texts(texts).cls.numpy(), rtol=1e-4, atol=1e-5)
    shorter = encoder.encode(texts=texts, max_length=12)
    np.testing.assert_allclose(shorter, model.encode_texts(texts, max_length=12).cls.numpy(), rtol=1e-4, atol=1e-5)
    titled = encoder.encode(texts, titles=["Title"] * len(texts))
    expected = model.encode_texts([f"Title {text}" for text in texts]).cls.numpy()
    np.testing.assert_allclose(titled, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("encoder", [DupMAEQueryEncoder, DupMAEImpactQueryEncoder, DupMAEDocumentEncoder])
def test_what_cannot_be_used_is_refused(encoder: type, model_dir: str, tmp_path: Path):
    with pytest.raises(UserError, match="brings its own"):
        encoder(model_dir, tokenizer_name="bert-base-uncased")
    with pytest.raises(UserError, match="holds no model"):
        encoder(str(tmp_path))


def test_nan_is_refused(model: DupMAEModel, tmp_path: Path):
    damaged = copy.deepcopy(model)
    damaged.cls_projection.weight.data.fill_(3e38)  # a number, but no product of it is one
    damaged.save_pretrained(tmp_path)
    with pytest.raises(UserError, match="NaN or infinity for the query 'largest value'; its weights are damaged"):
        DupMAEQueryEncoder(str(tmp_path)).encode("largest value")


def test_add_sep_is_refused(model_dir: str):
    with pytest.raises(UserError, match="--add-sep"):
        DupMAEDocumentEncoder(model_dir).encode(["a"], titles=["b"], add_sep=True)


def test_pyserini_s_own_classes_give_way_to_a_dupmae_model(model_dir: str):
    assert type(AutoQueryEncoder(encoder_dir=model_dir, pooling="mean", l2_norm=True)) is DupMAEQueryEncoder
    assert type(AutoDocumentEncoder(model_dir, device="cpu", pooling="cls")) is DupMAEDocumentEncoder
