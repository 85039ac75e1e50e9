"""Queries as they are searched: what is kept of them, and what is said of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from pyserini_dupmae.modeling import query_encoder
from pyserini_dupmae.modeling.initialise import init
from pyserini_dupmae.modeling.loading import load_model
from pyserini_dupmae.modeling.query_encoder import EncodedQuery, QueryModel
from pyserini_dupmae.util.errors import UserError
from pyserini_dupmae.util.log import logger

TEXT = "extract all members of a tar archive to the current working directory"


def kept_by_hand(query: EncodedQuery, k: int) -> dict[int, float]:
    pairs = zip(query.token_ids.tolist(), query.weights.tolist(), strict=True)
    return dict(sorted(pairs, key=lambda pair: (-pair[1], pair[0]))[:k])


@pytest.mark.parametrize("k", [1, 5, 10_000])
def test_the_largest_entries_are_kept(tiny_model_dir, k):
    (whole,) = QueryModel.load(str(tiny_model_dir)).encode([TEXT])
    (cut,) = QueryModel.load(str(tiny_model_dir), query_top_k=k).encode([TEXT])
    assert dict(zip(cut.token_ids.tolist(), cut.weights.tolist(), strict=True)) == kept_by_hand(whole, k)
    assert cut.token_ids.tolist() == sorted(cut.token_ids.tolist())
    np.testing.assert_array_equal(cut.cls, whole.cls)


def test_an_index_names_the_model_that_encoded_it(tiny_model_dir, linear_model_dir):
    recorded = QueryModel.load(str(tiny_model_dir)).identity
    assert QueryModel.that_encoded("OUT", recorded) is QueryModel.load(str(tiny_model_dir))
    with pytest.raises(UserError, match="OUT was built with another model: its ot_head is mlm"):
        QueryModel.that_encoded("OUT", recorded, str(linear_model_dir))
    moved = replace(recorded, name="no-model")
    with pytest.raises(UserError, match=r"^no model 'no-model': .* encoded OUT: say with --encoder where it is$"):
        QueryModel.that_encoded("OUT", moved)
    assert QueryModel.that_encoded("OUT", moved, str(tiny_model_dir)).identity == recorded


def test_of_equal_entries_the_first_are_kept():
    query = EncodedQuery(np.zeros(1, np.float32), np.array([2, 5, 7, 9]), np.array([1, 3, 1, 1], np.float32))
    assert query.largest(3).token_ids.tolist() == [2, 5, 7]


def test_the_configuration_says_how_many_unless_told_otherwise(tiny_model_dir, tmp_path):
    init(tiny_model_dir, output=tmp_path / "model", query_top_k=6)
    loaded = load_model(str(tmp_path / "model"))
    assert loaded.identity.fingerprint == load_model(str(tiny_model_dir)).identity.fingerprint
    assert len(QueryModel(loaded).encode([TEXT])[0].token_ids) == 6
    assert len(QueryModel(loaded, query_top_k=3).encode([TEXT])[0].token_ids) == 3


def test_a_longer_query_is_kept_whole(tiny_model_dir):
    loaded = load_model(str(tiny_model_dir))
    model, text = loaded.model, " ".join([TEXT] * 5)
    ids = model.tokenizer(text, return_tensors="pt")["input_ids"]
    assert ids.shape[1] > model.config.query_max_length
    (query,) = QueryModel(loaded, query_max_length=ids.shape[1]).encode([text])
    with torch.no_grad():
        expected = model(ids)
    np.testing.assert_allclose(query.cls, expected.cls[0], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(query.mu(model.config.vocab_size), expected.mu[0], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"query_top_k": 0}, "query_top_k must be at least 1, got 0"),
        ({"query_max_length": 161}, "--query-max-length is 161, but the encoder takes 2 to 160 tokens"),
    ],
)
def test_mistakes(tiny_model_dir, options, message):
    with pytest.raises(UserError, match=message):
        QueryModel(load_model(str(tiny_model_dir)), **options)


def test_a_query_of_very_many_terms_is_said_once(tiny_model_dir, monkeypatch):
    said = []
    monkeypatch.setattr(query_encoder, "MANY_TERMS", 10)
    monkeypatch.setattr(logger, "warning", lambda message, *values: said.append(message % values))
    model = QueryModel(load_model(str(tiny_model_dir)))
    queries = model.encode([TEXT, "another query about a file"])
    assert min(len(query.token_ids) for query in queries) > 10
    (message,) = said
    assert f"the query {TEXT!r} has {len(queries[0].token_ids)} terms, more than 10" in message
    assert "init --calibrate" in message
