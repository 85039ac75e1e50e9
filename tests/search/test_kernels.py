"""The compiled loops, each against plain NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from numba import types
from numba.core import caching

from pyserini_dupmae.index.postings import to_bfloat16
from pyserini_dupmae.search import kernels

DOCUMENTS, VOCABULARY = 301, 40


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(0)


def test_sparse_products_are_added(random: np.random.Generator):
    bags = random.gamma(1.0, 1.0, (DOCUMENTS, VOCABULARY)).astype(np.float32)
    bags[random.random(bags.shape) < 0.7] = 0
    bags[:, 3] = 0  # a term without postings
    columns, rows = np.nonzero(bags.T)
    starts = np.searchsorted(columns, np.arange(VOCABULARY + 1)).astype(np.int64)
    weights = to_bfloat16(bags[rows, columns])
    terms, query_weights = np.array([0, 3, 17, 39]), random.gamma(1.0, 1.0, 4).astype(np.float32)
    scores = np.full(DOCUMENTS, 5, np.float32)
    kernels.add_sparse(scores, starts, rows.astype(np.uint16), weights, terms, query_weights)
    kept = np.zeros_like(bags)
    kept[rows, columns] = (weights.astype(np.uint32) << 16).view(np.float32)
    np.testing.assert_allclose(scores, 5 + kept[:, terms] @ query_weights, rtol=1e-6)


@pytest.mark.parametrize("dimensions", [1, 2, 5, 24, 384, 4096])
def test_dense_products_of_8_bits_are_exact(random: np.random.Generator, dimensions: int):
    vectors = random.integers(-127, 128, (DOCUMENTS, dimensions)).astype(np.int8)
    query = random.integers(-127, 128, dimensions).astype(np.int8)
    vectors[0], query[:] = 127, -127  # the largest product there is
    scales, worth = np.ones(DOCUMENTS, np.float32), 0.25
    exact = (vectors.astype(np.int64) @ query).astype(np.float32) * 0.25
    scores = np.zeros(DOCUMENTS, np.float32)
    kernels.add_dense(scores, vectors, scales, query, worth)
    np.testing.assert_array_equal(scores, exact)
    products = (vectors.astype(np.int32) @ query.astype(np.int32)).astype(np.int32)
    kernels.add_products(scores, products, 2 * scales, worth)
    np.testing.assert_array_equal(scores, 3 * exact)


def test_scales_too_small_for_a_product_of_both_lose_nothing():
    scores = np.zeros(1, np.float32)
    kernels.add_dense(scores, np.full((1, 4), 100, np.int8), np.array([1e-30], np.float32), np.ones(4, np.int8), 1e-10)
    np.testing.assert_allclose(scores, [400e-40], rtol=1e-3)


@pytest.mark.parametrize("dtype", [np.uint16, np.int32])
@pytest.mark.parametrize("dimensions", [1, 3, 4, 11, 64])
def test_exact_parts(random: np.random.Generator, dtype: type, dimensions: int):
    width, top_k = 12, 9
    vectors = random.normal(size=(DOCUMENTS, dimensions)).astype(np.float32)
    weights = -np.sort(-random.gamma(1.0, 1.0, (DOCUMENTS, width)).astype(np.float32), axis=1)
    weights[np.arange(width) >= random.integers(0, width + 1, (DOCUMENTS, 1))] = 0
    token_ids = random.integers(0, VOCABULARY, (DOCUMENTS, width)).astype(dtype)
    query, query_mu = random.normal(size=dimensions), random.gamma(1.0, 1.0, VOCABULARY)
    rows = random.permutation(DOCUMENTS)[:100]
    places = random.permutation(100)
    cls, ot = np.full(101, 7.0), np.full(101, 7.0)
    kernels.put_parts(cls, ot, places, vectors, token_ids, weights, rows, top_k, query, query_mu)
    np.testing.assert_allclose(cls[places], vectors[rows].astype(np.float64) @ query, rtol=1e-12)
    expected = (weights[rows, :top_k].astype(np.float64) * query_mu[token_ids[rows, :top_k]]).sum(axis=1)
    np.testing.assert_allclose(ot[places], expected, rtol=1e-12)
    assert (cls[100], ot[100]) == (7.0, 7.0)


@pytest.mark.parametrize(("dtype", "wrong"), [(np.uint16, VOCABULARY), (np.uint16, 65535), (np.int32, -1)])
def test_an_id_of_no_token_shows(dtype: type, wrong: int):
    token_ids = np.zeros((2, 3), dtype)
    token_ids[1, 1] = wrong
    cls, ot, both = np.zeros(2), np.zeros(2), np.arange(2)
    vectors, weights = np.ones((2, 4), np.float32), np.ones((2, 3), np.float32)
    kernels.put_parts(cls, ot, both, vectors, token_ids, weights, both, 3, np.ones(4), np.ones(VOCABULARY))
    assert [ot[0], np.isnan(ot[1])] == [3.0, True]


def test_without_a_place_to_keep_what_is_compiled(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(caching.CacheImpl, "_locator_classes", [])

    def double(numbers):  # type: ignore[no-untyped-def]
        for place in range(len(numbers)):
            numbers[place] *= 2

    numbers = np.arange(3.0)
    kernels._compiled((types.float64[:],))(double)(numbers)
    assert numbers.tolist() == [0.0, 2.0, 4.0]
