"""The engine that scores everything: against brute force, in both precisions, and at its error bounds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from pyserini_dupmae.index import postings as postings_module
from pyserini_dupmae.index.postings import Postings, make_blocks, to_bfloat16, to_int8, write_postings
from pyserini_dupmae.modeling.identity import ModelIdentity
from pyserini_dupmae.modeling.query_encoder import EncodedQuery
from pyserini_dupmae.search import device_pass, host_pass
from pyserini_dupmae.search.contenders import Contenders
from pyserini_dupmae.search.device_pass import DevicePass, DevicePostings
from pyserini_dupmae.search.exact_scorer import ExactScorer
from pyserini_dupmae.search.host_pass import HostPass
from pyserini_dupmae.search.scan import Scan
from pyserini_dupmae.store import ForwardStore, StoreInfo, write_shard
from pyserini_dupmae.util.errors import UserError
from tests.search.exhaustive import Documents, brute_force

VOCABULARY, DIM, TOP_K = 200, 24, 20
MODES = {"hybrid": (True, True), "dense": (True, False), "sparse": (False, True)}


def make_store(folder: Path, count: int, seed: int, scale: float = 1.0) -> tuple[ForwardStore, Documents]:
    """A store of random documents in shards of 100, some without any weight, and the same as dense arrays."""
    random = np.random.default_rng(seed)
    vectors = (random.normal(size=(count, DIM)) * scale).astype(np.float32)
    bags = np.zeros((count, VOCABULARY), np.float32)
    names = []
    folder.mkdir(parents=True)
    for first in range(0, count, 100):
        part = slice(first, min(first + 100, count))
        size = part.stop - part.start
        token_ids = np.argsort(random.random((size, VOCABULARY)), axis=1)[:, :TOP_K]
        weights = -np.sort(-random.gamma(1.0, 1.0, (size, TOP_K)).astype(np.float32), axis=1)
        weights[np.arange(TOP_K) >= random.integers(0, TOP_K + 1, (size, 1))] = 0
        token_ids[weights == 0] = 0
        np.maximum.at(bags, (np.arange(part.start, part.stop)[:, None], token_ids), weights)
        name = f"shard-{first:06d}.safetensors"
        docids = [f"d{i}" for i in range(part.start, part.stop)]
        write_shard(folder / name, docids, vectors[part], token_ids, weights, VOCABULARY)
        names.append(name)
    model = ModelIdentity("m", "f", "v", VOCABULARY, DIM, TOP_K, "mlm", "relu")
    StoreInfo(model, count, TOP_K, float(bags.max(initial=0)), names).write(folder)
    return ForwardStore(folder), Documents([f"d{i}" for i in range(count)], vectors, bags)


def make_queries(count: int, seed: int) -> list[EncodedQuery]:
    random = np.random.default_rng(seed)
    queries = []
    for number in range(count):
        ids = np.sort(random.choice(VOCABULARY, number % 30, replace=False))  # the first has no token
        vector = random.normal(size=DIM).astype(np.float32)
        queries.append(EncodedQuery(vector, ids, random.gamma(1.0, 1.0, len(ids)).astype(np.float32)))
    return queries


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> tuple[ForwardStore, Documents]:
    return make_store(tmp_path_factory.mktemp("scan") / "store", 1030, seed=1)


@pytest.fixture(params=[64, 333, 1 << 16])
def block(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(postings_module, "BLOCK", request.param)
    return request.param


def on_host(store: ForwardStore, mode: str = "hybrid") -> Scan:
    return Scan(HostPass(Postings.of(store, TOP_K), *MODES[mode]), ExactScorer(store), *MODES[mode])


def on_device(store: ForwardStore, mode: str = "hybrid") -> Scan:
    """What runs on a GPU, here on the CPU."""
    postings = DevicePostings(Postings.of(store, TOP_K), "cpu")
    return Scan(DevicePass(postings, *MODES[mode]), ExactScorer(store), *MODES[mode])


@pytest.fixture(params=[on_host, on_device])
def made(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Scan]:
    """Makes a scan of a store by a mode."""
    monkeypatch.setattr(device_pass._DeviceBlock, "POSTINGS_AT_ONCE", 500)
    return request.param


@pytest.mark.parametrize("mode", MODES)
def test_rankings_are_those_of_brute_force(
    collection: tuple[ForwardStore, Documents], block: int, mode: str, made: Callable[..., Scan]
):
    store, documents = collection
    engine = made(store, mode)
    queries = make_queries(70, seed=2)
    for hits, threads in ((1, 1), (10, 2), (200, 1), (2000, 2)):
        for query, ranking in zip(queries, engine.search(queries, hits, threads=threads), strict=True):
            expected = brute_force(documents, query, mode, hits)
            assert [documents.docids[row] for row in ranking.rows] == [docid for docid, _ in expected]
            np.testing.assert_allclose(ranking.scores, [score for _, score in expected], rtol=1e-6)
            assert ranking.proved
            assert ranking.depth == 1030


def test_a_ranking_does_not_depend_on_its_batch_its_threads_and_what_computes_it(
    collection: tuple[ForwardStore, Documents], block: int, made: Callable[..., Scan]
):
    store, _ = collection
    engine = on_host(store)
    queries = make_queries(HostPass.queries_at_once + 3, seed=3)
    together = made(store).search(queries, 50, threads=3)
    for query, ranking in zip(queries, together, strict=True):
        for threads in (1, 3):
            (alone,) = engine.search([query], 50, threads=threads)
            for name in ("rows", "scores", "cls_scores", "ot_scores"):
                np.testing.assert_array_equal(getattr(alone, name), getattr(ranking, name))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_the_fast_pass_is_within_its_bound(
    tmp_path: Path, mode: str, made: Callable[..., Scan], scale: float, monkeypatch: pytest.MonkeyPatch
):
    seen: list[np.ndarray] = []
    monkeypatch.setattr(Contenders, "add", lambda self, first, scores: seen.append(scores.copy()))
    monkeypatch.setattr(DevicePass, "_choose", lambda self, first, scores, found: seen.append(scores[0].numpy()))
    store, documents = make_store(tmp_path / "store", 500, seed=4, scale=scale)
    engine = made(store, mode)
    for query in make_queries(40, seed=5):
        seen.clear()
        (found,) = engine.fast.contenders([query], 10, 1)
        exact = dict(brute_force(documents, query, mode, len(documents.docids)))
        scores = np.concatenate(seen)
        for docid, fast in zip(documents.docids, scores.tolist(), strict=True):
            assert abs(fast - exact.get(docid, 0.0)) <= found.relative * abs(fast) + found.absolute
    assert found.absolute < 0.05 * max(1.0, np.abs(scores).max()) or mode == "sparse"


def test_documents_on_the_edge_are_kept():
    best = Contenders(hits=2, relative=0.01, absolute=0.1, ranks_all=True)
    best.add(0, np.array([10.0, 9.0, 8.63, 8.0, -50.0], np.float32))
    # 9.0 may be 8.81 in truth, and 8.63 may be 8.82; 8.0 is at most 8.18.
    assert best.rows().tolist() == [0, 1, 2]
    below_zero = Contenders(hits=1, relative=0.01, absolute=0.1, ranks_all=True)
    below_zero.add(0, np.array([-10.0, -10.39, -10.5], np.float32))
    assert below_zero.rows().tolist() == [0, 1]


def test_without_the_dense_part_a_document_without_a_common_token_is_no_contender():
    found = Contenders(hits=3, relative=0.01, absolute=0.0, ranks_all=False)
    found.add(0, np.array([0.0, 1e-45, 0.0, 2.0], np.float32))
    assert found.rows().tolist() == [1, 3]


def test_what_blocks_bring_in_any_order_is_what_all_together_bring():
    random = np.random.default_rng(0)
    scores = random.normal(size=20_000).astype(np.float32)
    together = Contenders(hits=50, relative=0.001, absolute=0.01, ranks_all=True)
    together.add(0, scores)
    parts = Contenders(hits=50, relative=0.001, absolute=0.01, ranks_all=True)
    for first in random.permutation(np.arange(0, len(scores), 500)).tolist():
        parts.add(first, scores[first : first + 500])
    assert parts.rows().tolist() == together.rows().tolist()
    assert 50 < len(together.rows()) < 100


def test_blocks_that_a_device_cannot_keep_are_taken_there_again(
    collection: tuple[ForwardStore, Documents], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(postings_module, "BLOCK", 64)
    store, _ = collection
    room = iter([True] * 5 + [False] * 1000)
    monkeypatch.setattr(device_pass, "_has_room", lambda device: next(room))
    taken: list[int] = []
    original = device_pass._DeviceBlock.__init__
    monkeypatch.setattr(
        device_pass._DeviceBlock,
        "__init__",
        lambda self, block, device: (taken.append(block.first), original(self, block, device))[1],
    )
    engine, queries = on_device(store), make_queries(3, seed=6)
    first, second = engine.search(queries, 20), engine.search(queries, 20)
    assert [len(taken), sorted(set(taken))] == [17 + 12, list(range(0, 1030, 64))]
    for one, other, expected in zip(first, second, on_host(store).search(queries, 20), strict=True):
        assert one.rows.tolist() == other.rows.tolist() == expected.rows.tolist()


def test_vectors_of_8_bits_are_off_by_no_more_than_is_said():
    random = np.random.default_rng(0)
    vectors = (random.normal(size=(9000, 24)) * 10.0 ** random.integers(-6, 7, (9000, 1))).astype(np.float32)
    vectors[[3, 77]] = 0
    vectors[5] = 1e-43  # smaller than what can be scaled
    numbers, scales, bounds = to_int8(vectors)
    assert (numbers.dtype, scales.dtype, np.abs(numbers).max()) == (np.int8, np.float32, 127)
    off = np.linalg.norm(vectors.astype(np.float64) - numbers * scales.astype(np.float64)[:, None], axis=1)
    norms = np.linalg.norm(vectors.astype(np.float64), axis=1)
    assert off.max() <= bounds.largest_error <= off.max() * (1 + 1e-10)
    assert norms.max() <= bounds.largest_norm <= norms.max() * (1 + 1e-10)
    assert (off <= 0.02 * norms + 1e-40).all()


@pytest.mark.parametrize("dimensions", [1, 2, 5, 384])
def test_products_of_8_bits_are_exact(dimensions: int):
    random = np.random.default_rng(0)
    x, y = (random.integers(-127, 128, (n, dimensions)).astype(np.int8) for n in (6, 1001))
    np.testing.assert_array_equal(host_pass._int8_products(x, y), x.astype(np.int64) @ y.T.astype(np.int64))


def test_written_postings_are_those_in_memory(collection: tuple[ForwardStore, Documents], block: int, tmp_path: Path):
    store, _ = collection
    bounds = write_postings(tmp_path, store, TOP_K - 3)
    opened = Postings.open(tmp_path, len(store), VOCABULARY, DIM, TOP_K - 3, bounds)
    made = Postings.of(store, TOP_K - 3)
    assert bounds == made.bounds
    assert bounds.largest_norm == pytest.approx(store.largest_norm())
    for one, other in zip(opened.blocks, made.blocks, strict=True):
        assert one.first == other.first
        for name in ("starts", "rows", "weights", "cls", "scales"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_a_block_holds_every_positive_weight_once(collection: tuple[ForwardStore, Documents], block: int):
    store, documents = collection
    rebuilt = np.zeros_like(documents.mu)
    for one, _ in make_blocks(store, TOP_K):
        terms = np.repeat(np.arange(VOCABULARY), np.diff(one.starts))
        values = (one.weights.astype(np.uint32) << 16).view(np.float32)
        rebuilt[one.first + one.rows.astype(int), terms] += values
    np.testing.assert_allclose(rebuilt, documents.mu, rtol=2.0**-7)
    assert (rebuilt > 0).sum() == (documents.mu > 0).sum()


def test_bfloat16_is_rounded_as_torch_rounds_it():
    random = np.random.default_rng(0)
    values = np.concatenate([random.normal(size=10_000), [0, -0.0, 1e-38, 3e38], 1 + np.arange(512) / 512]).astype(
        np.float32
    )
    expected = torch.from_numpy(values).bfloat16().view(torch.int16).numpy().view(np.uint16)
    np.testing.assert_array_equal(to_bfloat16(values), expected)


@pytest.mark.parametrize("name", ["rows.u16", "weights.bf16", "starts.i64", "cls.i8", "scales.f32"])
def test_a_cut_file_is_an_error(collection: tuple[ForwardStore, Documents], name: str, tmp_path: Path):
    store, _ = collection
    bounds = write_postings(tmp_path, store, TOP_K)
    data = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(data[:-8])
    with pytest.raises(UserError, match="--to-postings"):
        Postings.open(tmp_path, len(store), VOCABULARY, DIM, TOP_K, bounds)
    (tmp_path / name).unlink()
    with pytest.raises(UserError, match=f"cannot read .*{name}"):
        Postings.open(tmp_path, len(store), VOCABULARY, DIM, TOP_K, bounds)
