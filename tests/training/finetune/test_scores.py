"""Eq. 12 of a batch, values and gradients, and that it is the score that search gives."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from pyserini_dupmae.data.corpus import Document
from pyserini_dupmae.encode.windows import encode_window, tokenise
from pyserini_dupmae.modeling.equations import relevance, sparsify
from pyserini_dupmae.modeling.loading import load_model
from pyserini_dupmae.modeling.query_encoder import QueryModel
from pyserini_dupmae.training.finetune.batches import Tokeniser
from pyserini_dupmae.training.finetune.model import FinetuneModel, Represented
from pyserini_dupmae.training.finetune.objective import document_bags, score

from . import naive
from .conftest import Task

QUERIES, DOCUMENTS, DIM, VOCABULARY, K = 3, 5, 4, 17, 6


def _random(*shape: int, positive: bool = False) -> torch.Tensor:
    values = torch.randn(*shape, dtype=torch.float64)
    return (torch.relu(values) if positive else values).requires_grad_()


def test_eq12_and_its_gradients_are_those_of_loops_over_terms() -> None:
    torch.manual_seed(0)
    query_cls, doc_cls = _random(QUERIES, DIM), _random(DOCUMENTS, DIM)
    query_mu = _random(QUERIES, VOCABULARY, positive=True).detach().requires_grad_()
    doc_mu = _random(DOCUMENTS, VOCABULARY)
    leaves = (query_cls, query_mu, doc_cls, doc_mu)
    scores = score(Represented(query_cls, query_mu, doc_cls, *sparsify(doc_mu, K)))
    expected = naive.parts_of_eq12(*leaves, K)
    weight = torch.randn(QUERIES, DOCUMENTS, dtype=torch.float64)
    for part, wanted in zip((scores.cls, scores.ot, scores.sum), (*expected, sum(expected)), strict=True):
        torch.testing.assert_close(part, wanted)
        found = torch.autograd.grad((part * weight).sum(), leaves, retain_graph=True, allow_unused=True)
        gradients = torch.autograd.grad((wanted * weight).sum(), leaves, retain_graph=True, allow_unused=True)
        for gradient, by_loops in zip(found, gradients, strict=True):
            assert (gradient is None) == (by_loops is None)
            if gradient is not None:
                torch.testing.assert_close(gradient, by_loops)


def test_document_bags_hold_the_top_k_alone() -> None:
    mu = torch.rand(DOCUMENTS, VOCABULARY)
    token_ids, kept = sparsify(mu, K)
    bags = document_bags(Represented(torch.empty(0), mu, torch.empty(0), token_ids, kept))
    for row, bag in zip(mu, bags, strict=True):
        terms = naive.top_terms(row, K)
        assert set(bag.nonzero().flatten().tolist()) == set(terms)
        assert torch.equal(bag[terms], row[terms])


def test_scores_are_those_of_search(tiny_model_dir: Path, task: Task) -> None:
    model = load_model(str(tiny_model_dir)).model
    queries, documents = task.load().queries[:6], task.load().documents.texts(range(12))
    tokenise = Tokeniser(model)
    with torch.no_grad():
        batch = FinetuneModel(model)(tokenise(queries, True), tokenise(documents, False))
    query = model.encode_texts(queries, max_length=model.config.query_max_length, full_bow=True)
    document = model.encode_texts(documents)
    assert (batch.query_mu > 0).sum(dim=1).max() > model.config.top_k  # of a query nothing is cut
    assert torch.equal(batch.query_mu > 0, query.bow > 0)
    torch.testing.assert_close(
        score(batch).sum,
        relevance(query.cls, query.bow, document.cls, document.token_ids, document.weights),
        rtol=1e-5,
        atol=1e-4,
    )


def test_without_an_activation_training_and_search_score_what_is_positive(tiny_model_dir: Path, task: Task) -> None:
    loaded = load_model(str(tiny_model_dir))
    model = loaded.model
    model.config.activation = "none"
    model.config.top_k = 700  # more than are positive
    queries, documents = task.load().queries[:6], task.load().documents.texts(range(12))
    tokenise_texts = Tokeniser(model)
    with torch.no_grad():
        batch = FinetuneModel(model)(tokenise_texts(queries, True), tokenise_texts(documents, False))
    assert (model.encode_texts(documents).weights < 0).any()
    encoded = QueryModel(loaded).encode(queries)
    window = tokenise([Document(str(i), text, "", i) for i, text in enumerate(documents)], model.tokenizer, 144)
    stored = encode_window(model, window, model.config.top_k, 12, lambda _: None)
    for number, query in enumerate(encoded):
        by_term = dict(zip(query.token_ids.tolist(), query.weights.tolist(), strict=True))
        for place in range(len(documents)):
            pairs = zip(stored.token_ids[place].tolist(), stored.weights[place].tolist(), strict=True)
            expected = sum(by_term.get(term, 0.0) * weight for term, weight in pairs)
            assert score(batch).ot[number, place].item() == pytest.approx(expected, rel=1e-4, abs=1e-4)


def test_of_a_query_training_scores_what_search_keeps(tiny_model_dir: Path, task: Task) -> None:
    loaded = load_model(str(tiny_model_dir))
    loaded.model.config.query_top_k = 5
    queries, documents = task.load().queries[:6], task.load().documents.texts(range(12))
    tokenise_texts = Tokeniser(loaded.model)
    with torch.no_grad():
        batch = FinetuneModel(loaded.model)(tokenise_texts(queries, True), tokenise_texts(documents, False))
    for mu, query in zip(batch.query_mu, QueryModel(loaded).encode(queries), strict=True):
        assert mu.nonzero().flatten().tolist() == query.token_ids.tolist()
        torch.testing.assert_close(mu[mu > 0], torch.from_numpy(query.weights), rtol=1e-4, atol=1e-4)
    assert (batch.weights > 0).sum() > 12 * 5  # of documents more are kept
