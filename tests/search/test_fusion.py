from __future__ import annotations

import math

import numpy as np
import pytest

from pyserini_dupmae.modeling.query_encoder import EncodedQuery
from pyserini_dupmae.search import fusion as fusion_module
from pyserini_dupmae.search.engines import Engines
from pyserini_dupmae.search.exact_scorer import ExactScorer
from pyserini_dupmae.search.fusion import Candidates, Fusion
from pyserini_dupmae.search.ranking import Ranking
from pyserini_dupmae.util.errors import UserError
from tests.search.exhaustive import Documents, NumpyDense, NumpySparse, brute_force

ENGINES = ("numpy", "FAISS and Lucene")
MODES = ("dense", "sparse", "hybrid")


def make_fusion(engines: str, mode: str, documents: Documents, opened: Engines) -> Fusion:
    if engines == "numpy":
        dense, sparse, exact = NumpyDense(documents), NumpySparse(documents), documents
    else:
        dense, sparse, exact = opened.dense, opened.sparse, opened.exact
    return Fusion(dense if mode != "sparse" else None, sparse if mode != "dense" else None, exact)


def found(ranking: Ranking, documents: Documents) -> list[tuple[str, float]]:
    return [(documents.docids[row], score) for row, score in zip(ranking.rows, ranking.scores.tolist(), strict=True)]


def assert_same(actual: list[tuple[str, float]], expected: list[tuple[str, float]], tolerance: float = 1e-5) -> None:
    """Equal scores, and equal documents wherever float32 of the model itself does not blur the order."""
    assert len(actual) == len(expected)
    scores = [score for _, score in expected]
    np.testing.assert_allclose([score for _, score in actual], scores, rtol=tolerance, atol=tolerance)
    for position, ((docid, _), (wanted, score)) in enumerate(zip(actual, expected, strict=True)):
        neighbours = [d for d, s in expected if abs(s - score) <= tolerance * max(1, abs(score))]
        assert docid == wanted or docid in neighbours, position


def same(one: Ranking, other: Ranking) -> bool:
    arrays = ("rows", "scores", "cls_scores", "ot_scores")
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in arrays) and (
        (one.proved, one.depth) == (other.proved, other.depth)
    )


def random_documents(seed: int, count: int = 120, vocabulary: int = 40) -> Documents:
    """Short vectors of whole numbers, so that ties and empty bags abound, with docids in no order."""
    random = np.random.default_rng(seed)
    mu = random.integers(0, 4, (count, vocabulary)) * (random.random((count, vocabulary)) < 0.1)
    docids = [f"d{number}" for number in random.permutation(count)]
    return Documents(docids, random.integers(-2, 3, (count, 6)).astype(np.float32), mu.astype(np.float32))


def random_query(seed: int, vocabulary: int = 40) -> EncodedQuery:
    random = np.random.default_rng(seed + 1000)
    weights = (random.integers(1, 4, vocabulary) * (random.random(vocabulary) < 0.2)).astype(np.float32)
    token_ids = np.flatnonzero(weights)
    return EncodedQuery(random.integers(-2, 3, 6).astype(np.float32), token_ids, weights[token_ids])


@pytest.mark.parametrize("hits", [1, 10, 100])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("engines", ENGINES)
@pytest.mark.usefixtures("short_lists")
def test_equals_brute_force(engines, mode, hits, documents, opened, queries):
    rankings = make_fusion(engines, mode, documents, opened).search(queries, hits)
    for query, ranking in zip(queries, rankings, strict=True):
        assert ranking.proved
        assert_same(found(ranking, documents), brute_force(documents, query, mode, hits))


@pytest.mark.parametrize("engines", ENGINES)
def test_a_scan_gives_the_same_scores_as_lists(engines, documents, opened, queries, monkeypatch):
    fusion = make_fusion(engines, "hybrid", documents, opened)
    scanned = fusion.search(queries, 20)
    monkeypatch.setattr(fusion_module, "FIRST_DEPTH", 8)
    monkeypatch.setattr(fusion_module, "LONGEST_LIST", math.inf)
    listed = fusion.search(queries, 20)
    assert {ranking.depth for ranking in scanned} == {len(documents.docids)}
    assert min(ranking.depth for ranking in listed) < len(documents.docids)
    for one, other in zip(scanned, listed, strict=True):
        assert np.array_equal(one.rows, other.rows)
        np.testing.assert_allclose(one.scores, other.scores, rtol=1e-7)


def test_a_query_of_many_terms_is_answered_by_a_scan(documents, opened, queries, monkeypatch):
    monkeypatch.setattr(fusion_module, "LONGEST_LIST", math.inf)
    monkeypatch.setattr(fusion_module, "MOST_TERMS", 10)
    (ranking,) = opened.ranker().search(queries[:1], 10)
    assert len(queries[0].token_ids) > 10
    assert ranking.depth == len(documents.docids)
    assert_same(found(ranking, documents), brute_force(documents, queries[0], "hybrid", 10))
    (bounded,) = opened.ranker().search(queries[:1], 10, max_depth=20)
    assert bounded.depth <= 20


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("seed", range(8))
@pytest.mark.usefixtures("short_lists")
def test_ties_negative_parts_and_empty_bags(mode, seed):
    documents = random_documents(seed)
    queries = [random_query(number) for number in range(10)]
    fusion = make_fusion("numpy", mode, documents, None)
    for hits in (1, 7, 50, 500):
        for query, ranking in zip(queries, fusion.search(queries, hits), strict=True):
            assert ranking.proved
            assert found(ranking, documents) == brute_force(documents, query, mode, hits)


@pytest.mark.parametrize("engines", ENGINES)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.usefixtures("short_lists")
def test_does_not_depend_on_batches_or_threads(engines, mode, documents, opened, queries):
    fusion = make_fusion(engines, mode, documents, opened)
    # What is not to be certified may be incomplete, and must be the same nevertheless.
    together = fusion.search(queries, 40, certify=1)
    for batch, threads in ((1, 1), (7, 1), (7, 3), (20, 4)):
        for start in range(0, len(queries), batch):
            part = fusion.search(queries[start : start + batch], 40, certify=1, threads=threads)
            assert all(map(same, part, together[start : start + batch]))


@pytest.mark.usefixtures("short_lists")
def test_many_equal_documents_are_ordered_by_docid():
    docids = [f"{number:03}" for number in np.random.default_rng(0).permutation(300)]
    documents = Documents(docids, np.ones((300, 6), np.float32), np.zeros((300, 40), np.float32))
    (ranking,) = make_fusion("numpy", "hybrid", documents, None).search([random_query(0)], 10)
    assert [documents.docids[row] for row in ranking.rows] == [f"{number:03}" for number in range(10)]
    assert ranking.proved


@pytest.mark.parametrize("engines", ENGINES)
def test_more_hits_than_documents(engines, documents, opened, queries):
    (ranking,) = make_fusion(engines, "hybrid", documents, opened).search(queries[:1], 5000)
    assert ranking.proved
    assert_same(found(ranking, documents), brute_force(documents, queries[0], "hybrid", 5000))


@pytest.mark.parametrize("engines", ENGINES)
@pytest.mark.usefixtures("short_lists")
def test_a_query_without_tokens_gets_dense_results(engines, documents, opened, queries):
    empty = EncodedQuery(queries[0].cls, np.empty(0, np.int64), np.empty(0, np.float32))
    (ranking,) = make_fusion(engines, "hybrid", documents, opened).search([empty], 10)
    assert ranking.proved
    assert not ranking.ot_scores.any()
    assert_same(found(ranking, documents), brute_force(documents, empty, "dense", 10))
    (nothing,) = make_fusion(engines, "sparse", documents, opened).search([empty], 10)
    assert (len(nothing.rows), nothing.proved) == (0, True)


@pytest.mark.parametrize("engines", ENGINES)
@pytest.mark.usefixtures("short_lists")
def test_a_sparse_list_that_ends_early(engines, documents, opened, queries):
    rarest = min(range(documents.mu.shape[1]), key=lambda i: np.count_nonzero(documents.mu[:, i]) or math.inf)
    holders = np.count_nonzero(documents.mu[:, rarest])
    query = EncodedQuery(queries[0].cls, np.array([rarest]), np.array([2.5], np.float32))
    (sparse,) = make_fusion(engines, "sparse", documents, opened).search([query], 100)
    assert (len(sparse.rows), sparse.proved) == (holders, True)
    (hybrid,) = make_fusion(engines, "hybrid", documents, opened).search([query], 100)
    assert_same(found(hybrid, documents), brute_force(documents, query, "hybrid", 100))


@pytest.mark.usefixtures("short_lists")
def test_what_is_cut_short_is_not_called_proved(documents, opened, queries):
    rankings = opened.ranker().search(queries, 8, max_depth=8)
    assert not all(ranking.proved for ranking in rankings)
    for query, ranking in zip(queries, rankings, strict=True):
        exact = dict(brute_force(documents, query, "hybrid", 5000))
        for docid, score in found(ranking, documents):
            assert score == pytest.approx(exact[docid], rel=1e-5)
        if ranking.proved:
            assert_same(found(ranking, documents), brute_force(documents, query, "hybrid", 8))


@pytest.mark.usefixtures("short_lists")
def test_an_engine_without_bounds_proves_nothing(documents, queries):
    class Approximate(NumpyDense):
        flat = False

        def top(self, queries, n, threads):
            return [Candidates(nearest.rows, math.inf) for nearest in super().top(queries, n, threads)]

    fusion = Fusion(Approximate(documents), NumpySparse(documents), documents)
    for query, ranking in zip(queries, fusion.search(queries, 10), strict=True):
        assert not ranking.proved
        assert ranking.depth == 10
        exact = dict(brute_force(documents, query, "hybrid", 5000))
        assert [score for _, score in found(ranking, documents)] == pytest.approx(
            [exact[docid] for docid, _ in found(ranking, documents)]
        )


class Counting:
    """Two lists and a scorer that note what they are asked for: documents of each list, and rows to score."""

    def __init__(self, documents: Documents):
        self.documents = documents
        self.dense, self.sparse = NumpyDense(documents, noise=0), NumpySparse(documents)
        self.asked: dict[str, list[int]] = {"dense": [], "sparse": []}
        self.scored: list[int] = []

    def fusion(self, parts: tuple[str, ...] = ("dense", "sparse")) -> Fusion:
        counting = self

        class Dense:
            flat = True

            def top(self, queries, n, threads):
                counting.asked["dense"] += [n] * len(queries)
                return counting.dense.top(queries, n, threads)

        class Sparse:
            def top(self, query, n):
                counting.asked["sparse"].append(n)
                return counting.sparse.top(query, n)

        class Exact:
            docids = counting.documents.docids

            def parts(self, query, rows):
                counting.scored += rows.tolist()
                return counting.documents.parts(query, rows)

        return Fusion(Dense() if "dense" in parts else None, Sparse() if "sparse" in parts else None, Exact())


@pytest.mark.usefixtures("short_lists")
def test_no_document_is_scored_twice_however_long_the_lists_become(documents, queries):
    passes = 0
    for query in queries:
        counting = Counting(documents)
        (ranking,) = counting.fusion().search([query], 10)
        assert len(counting.scored) == len(set(counting.scored))
        assert found(ranking, documents) == brute_force(documents, query, "hybrid", 10)
        passes += len(counting.asked["sparse"])
    assert passes > len(queries), "some queries took several passes"


@pytest.mark.usefixtures("short_lists")
def test_lists_begin_deeper_than_what_is_to_be_proved_where_that_is_all(documents, queries):
    def first(**limits: int) -> int:
        counting = Counting(documents)
        counting.fusion().search(queries[:1], **limits)
        return counting.asked["sparse"][0]

    assert first(hits=20) == 40
    assert first(hits=20, certify=20) == 40
    assert first(hits=20, certify=19) == 20, "the list is deeper than what is to be proved as it is"
    assert first(hits=20, max_depth=30) == 30
    approximate = Counting(documents).fusion()
    type(approximate.dense).flat = False
    asked: list[int] = []
    approximate.sparse.top = lambda query, n: asked.append(n) or NumpySparse(documents).top(query, n)
    approximate.search(queries[:1], 20)
    assert asked[0] == 20, "no depth would prove anything"


@pytest.mark.usefixtures("short_lists")
@pytest.mark.parametrize("hits", [1, 10, 40, 500])
def test_a_list_whose_query_part_is_zero_is_not_asked_for(hits):
    documents = random_documents(3)
    for seed in range(6):
        whole = random_query(seed)
        only_terms = EncodedQuery(np.zeros_like(whole.cls), whole.token_ids, whole.weights)
        only_cls = EncodedQuery(whole.cls, np.empty(0, np.int64), np.empty(0, np.float32))
        nothing = EncodedQuery(np.zeros_like(whole.cls), np.empty(0, np.int64), np.empty(0, np.float32))
        for query, unasked in ((only_terms, "dense"), (only_cls, "sparse"), (nothing, "sparse")):
            counting = Counting(documents)
            (ranking,) = counting.fusion().search([query], hits)
            assert ranking.proved
            assert found(ranking, documents) == brute_force(documents, query, "hybrid", hits)
            assert counting.asked[unasked] == []
        counting = Counting(documents)
        (ranking,) = counting.fusion(("dense",)).search([only_terms], hits)
        assert found(ranking, documents) == brute_force(documents, only_terms, "dense", hits)


@pytest.mark.usefixtures("short_lists")
def test_fewer_certified_than_returned(documents, opened, queries):
    for query, ranking in zip(queries, opened.ranker().search(queries, 50, certify=5), strict=True):
        assert ranking.proved
        assert len(ranking.rows) == 50
        assert_same(found(ranking, documents)[:5], brute_force(documents, query, "hybrid", 5))


@pytest.mark.parametrize(
    ("numbers", "named"),
    [
        ({"hits": 0}, "hits must be at least 1, got 0"),
        ({"hits": 10, "certify": 0}, "certify must be at least 1, got 0"),
        ({"hits": 10, "certify": 11}, "certify (11) cannot exceed hits (10)"),
        ({"hits": 10, "max_depth": 9}, "max_depth (9) must be at least hits (10)"),
    ],
)
def test_numbers_that_contradict_each_other(numbers, named, documents, queries):
    with pytest.raises(UserError) as caught:
        Fusion(NumpyDense(documents), None, documents).search(queries, **numbers)
    assert named in str(caught.value)


def test_exact_parts_of_a_row_do_not_depend_on_the_others(opened, queries):
    exact = ExactScorer(opened.exact.store)
    rows = np.random.default_rng(0).permutation(len(exact.docids))
    together = exact.parts(queries[0], rows)
    for i in (0, 5, len(rows) - 1):
        alone = exact.parts(queries[0], rows[i : i + 1])
        assert (alone[0][0], alone[1][0]) == (together[0][i], together[1][i])


def test_exact_parts_take_the_largest_weights(opened, documents, queries):
    cls, ot = ExactScorer(opened.exact.store, top_k=3).parts(queries[0], np.arange(len(documents.docids)))
    mu = documents.mu.astype(np.float64)
    third = np.sort(mu, axis=1)[:, -3:-2]
    expected = (np.where(mu >= third, mu, 0) * queries[0].mu(mu.shape[1])).sum(axis=1)
    np.testing.assert_allclose(ot, expected, rtol=1e-5, atol=1e-5)
    assert len(cls) == len(ot)
