"""Queries in batches against each query alone: the same bits, whatever the batch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from pyserini_dupmae.modeling.default import DEFAULT_MODEL
from pyserini_dupmae.modeling.initialise import init
from pyserini_dupmae.modeling.loading import load_model
from pyserini_dupmae.modeling.query_batches import GPU_SIZE, QueryBatches
from pyserini_dupmae.modeling.query_encoder import EncodedQuery, QueryModel

WORDS = ["return", "value", "list", "file", "date", "number", "color", "thread", "socket", "heap", "turtle", "string"]
SIZES = (2, 5, 31, 100)


def queries(count: int) -> list[str]:
    """Of 1 to 9 words, as many of each number; one is empty."""
    generator = np.random.default_rng(0)
    return ["", *(" ".join(generator.choice(WORDS, number % 9 + 1)) for number in range(count - 1))]


def same(one: EncodedQuery, other: EncodedQuery) -> bool:
    pairs = ((one.cls, other.cls), (one.token_ids, other.token_ids), (one.weights, other.weights))
    return all(a.tobytes() == b.tobytes() for a, b in pairs)


def assert_batches_change_nothing(folder: str, texts: list[str], sizes: Sequence[int], dtype: str = "float32") -> None:
    loaded = load_model(folder, dtype=dtype)
    alone = {text: QueryModel(loaded).encode([text])[0] for text in set(texts)}
    for size in sizes:
        order = np.random.default_rng(size).permutation(len(texts))
        model = QueryModel(loaded)
        for start in range(0, len(texts), size):
            batch = [texts[number] for number in order[start : start + size]]
            for text, query in zip(batch, model.encode(batch), strict=True):
                assert same(query, alone[text]), (size, text)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_batches_of_any_size_change_no_bit(tiny_model_dir, dtype):
    assert_batches_change_nothing(str(tiny_model_dir), queries(100), SIZES, dtype)


@pytest.mark.parametrize("settings", [{"pooling": "mean", "dense_norm": "l2"}, {"ot_norm": "sum"}])
def test_nor_of_other_models(tiny_model_dir, tmp_path, settings):
    init(tiny_model_dir, output=tmp_path / "model", **settings)
    assert_batches_change_nothing(str(tmp_path / "model"), queries(60), (7, 60))


def test_nor_of_one_matrix(linear_model_dir):
    assert_batches_change_nothing(str(linear_model_dir), queries(60), (7, 60))


@pytest.mark.slow
def test_nor_of_the_model_that_comes_with_the_package():
    assert_batches_change_nothing(DEFAULT_MODEL, queries(32), (5, 32))


class Stub:
    """A model whose rows differ in a batch by ``noise``, and that remembers what it was given."""

    def __init__(self, noise: float = 0.0):
        self.device, self.noise = torch.device("cpu"), noise
        self.shapes: list[tuple[int, int]] = []

    def represent(
        self, ids: torch.Tensor, attention_mask: torch.Tensor, query: bool
    ) -> tuple[torch.Tensor, torch.Tensor]:
        assert attention_mask.bool().all()
        assert query
        self.shapes.append(tuple(ids.shape))
        value = ids.double().pow(1.5).sum(dim=1, keepdim=True) * (1 + self.noise * (len(ids) > 1))
        return value.float(), (value * torch.ones(1, 3)).float()


def by_number(batches: QueryBatches, tokens: list[list[int]]) -> dict[int, tuple[list[float], list[float]]]:
    found = {}
    for batch in batches.represent(tokens):
        for row, number in enumerate(batch.numbers):
            assert batch.ids[row].tolist() == tokens[number]
            assert number not in found
            found[number] = (batch.cls[row].tolist(), batch.mu[row].tolist())
    return found


TOKENS = [[1, *range(2, 3 + number % 3)] for number in range(90)]
ALONE = {number: by_number(QueryBatches(Stub()), [ids])[0] for number, ids in enumerate(TOKENS)}


def test_queries_of_one_length_go_together():
    stub = Stub()
    batches = QueryBatches(stub)
    assert by_number(batches, TOKENS) == ALONE
    # 30 of each length: a batch of 16, three of 4, two alone; the first of a shape is looked at.
    assert (
        sorted(stub.shapes)[::-1]
        == sorted([shape for length in (2, 3, 4) for shape in [(16, length), *[(4, length)] * 3, *[(1, length)] * 6]])[
            ::-1
        ]
    )
    stub.shapes.clear()
    assert by_number(batches, TOKENS) == ALONE
    assert len(stub.shapes) == 3 * 6


def test_where_batches_round_otherwise_each_goes_alone():
    stub = Stub(noise=1e-6)
    batches = QueryBatches(stub)
    assert by_number(batches, TOKENS) == ALONE
    stub.shapes.clear()
    assert by_number(batches, TOKENS) == ALONE
    assert {count for count, _ in stub.shapes} == {1}


def test_elsewhere_every_batch_is_full(monkeypatch):
    """So that a query's shape, and with it its numbers, depends on its own length alone."""
    monkeypatch.setattr(QueryBatches, "_on_cpu", False)
    for tokens in (TOKENS, TOKENS * 3, TOKENS[:1]):
        stub = Stub()
        found = by_number(QueryBatches(stub), tokens)
        assert found == {number: ALONE[number % len(TOKENS)] for number in range(len(tokens))}
        assert {count for count, _ in stub.shapes} == {GPU_SIZE}


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_batches_on_a_gpu_change_no_bit(tiny_model_dir: Path, dtype: str):
    texts = queries(100)
    loaded = load_model(str(tiny_model_dir), "cuda", dtype)
    alone = {text: QueryModel(loaded).encode([text])[0] for text in set(texts)}
    for size in SIZES:
        for start in range(0, len(texts), size):
            batch = texts[start : start + size]
            for text, query in zip(batch, QueryModel(loaded).encode(batch), strict=True):
                assert same(query, alone[text]), (size, text)
