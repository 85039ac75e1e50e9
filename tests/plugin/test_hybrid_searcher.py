"""``HybridSearcher`` as the plugin leaves it: Eq. 12 where that is asked for and can be had, else Pyserini's own."""

from __future__ import annotations

import logging
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import faiss
import numpy as np
import pytest
from pyserini.encode import QueryEncoder
from pyserini.search.faiss import FaissSearcher
from pyserini.search.hybrid import HybridSearcher
from pyserini.search.lucene import LuceneImpactSearcher

from pyserini_dupmae import DupMAEImpactQueryEncoder, DupMAEQueryEncoder
from pyserini_dupmae.index.info import IndexInfo
from pyserini_dupmae.modeling.impacts import QUERY_SCALE
from pyserini_dupmae.util.errors import UserError
from pyserini_dupmae.util.log import logger


@pytest.fixture(scope="module")
def dense(encoded: Path, tiny_model_dir: Path) -> FaissSearcher:
    return FaissSearcher(str(encoded / "faiss"), DupMAEQueryEncoder(str(tiny_model_dir)))


@pytest.fixture(scope="module")
def sparse(encoded: Path, tiny_model_dir: Path) -> LuceneImpactSearcher:
    return LuceneImpactSearcher(str(encoded / "lucene"), str(tiny_model_dir), -1)


@pytest.fixture
def said() -> Iterator[list[str]]:
    """The messages of the package's logger, whoever else listens to it."""
    messages: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: messages.append(record.getMessage())
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield messages
    logger.removeHandler(handler)
    logger.setLevel(level)


def fused_by_pyserini(
    dense: FaissSearcher, sparse: LuceneImpactSearcher, query: str, k0: int, alpha: float
) -> dict[str, float]:
    """The formula of Pyserini's ``HybridSearcher``: what one list misses gets its smallest score."""
    by_dense = {hit.docid: hit.score for hit in dense.search(query, k0)}
    by_sparse = {hit.docid: hit.score for hit in sparse.search(query, k0)}
    worst_dense, worst_sparse = (min(scores.values(), default=0) for scores in (by_dense, by_sparse))
    return {
        docid: alpha * by_sparse.get(docid, worst_sparse) + by_dense.get(docid, worst_dense)
        for docid in {*by_dense, *by_sparse}
    }


@pytest.mark.parametrize("k", [1, 7, 100])
def test_eq12_whatever_the_lists_hold(
    k: int, dense: FaissSearcher, sparse: LuceneImpactSearcher, topics: list, scores: dict, said: list[str]
):
    searcher = HybridSearcher(dense, sparse)
    for qid, text in topics:
        hits = searcher.search(text, 2, k, alpha=1)
        best = sorted(scores[qid].values(), reverse=True)[:k]
        assert [hit.score for hit in hits] == pytest.approx(best, rel=1e-4)
        assert [scores[qid][hit.docid] for hit in hits] == pytest.approx(best, rel=1e-4)
    assert len(said) == 1
    assert "Eq. 12 exactly" in said[0]


def test_a_batch_gives_what_single_queries_give(dense: FaissSearcher, sparse: LuceneImpactSearcher, topics: list):
    searcher = HybridSearcher(dense, sparse)
    qids, texts = map(list, zip(*topics, strict=True))
    results = searcher.batch_search(texts, qids, 1000, 20, 2, alpha=1)
    assert results == {qid: searcher.search(text, 1000, 20, alpha=1) for qid, text in topics}


def test_a_query_is_encoded_once(dense: FaissSearcher, sparse: LuceneImpactSearcher):
    passes = []
    encoder = dense.query_encoder.query_model.model.encoder
    handle = encoder.register_forward_hook(lambda module, args, output: passes.append(output))
    HybridSearcher(dense, sparse).search("a query that no other test asks", 10, 10, alpha=1)
    HybridSearcher(dense, sparse).search("another query that no other test asks", 10, 10, alpha=0.5)
    handle.remove()
    assert len(passes) == 2


def test_another_alpha_is_pyserini_s_own_result(
    dense: FaissSearcher, sparse: LuceneImpactSearcher, topics: list, said: list[str]
):
    searcher = HybridSearcher(dense, sparse)
    for _, text in topics:
        expected = fused_by_pyserini(dense, sparse, text, 30, alpha=0.5)
        hits = searcher.search(text, 30, 1000, alpha=0.5)
        assert {hit.docid: hit.score for hit in hits} == expected
        assert [hit.score for hit in hits] == sorted(expected.values(), reverse=True)
    (line,) = said
    assert "--alpha is 0.5, not 1" in line


def test_normalization_is_pyserini_s_own(dense: FaissSearcher, sparse: LuceneImpactSearcher, said: list[str]):
    hits = HybridSearcher(dense, sparse).search("largest value", 30, 10, alpha=1, normalization=True)
    assert max(hit.score for hit in hits) <= 1
    assert "--normalization" in said[0]


def test_an_index_that_is_not_flat_is_pyserini_s_own(
    encoded: Path, tiny_model_dir: Path, sparse: LuceneImpactSearcher, said: list[str], tmp_path: Path
):
    shutil.copytree(encoded / "faiss", tmp_path / "out" / "faiss")
    (tmp_path / "out" / "store").symlink_to(encoded / "store")
    path = str(tmp_path / "out" / "faiss" / "index")
    flat = faiss.read_index(path)
    hnsw = faiss.IndexHNSWFlat(flat.d, 16, faiss.METRIC_INNER_PRODUCT)
    hnsw.add(flat.reconstruct_n(0, flat.ntotal))
    faiss.write_index(hnsw, path)
    dense = FaissSearcher(str(tmp_path / "out" / "faiss"), DupMAEQueryEncoder(str(tiny_model_dir)))
    hits = HybridSearcher(dense, sparse).search("largest value", 30, 1000, alpha=1)
    assert {hit.docid: hit.score for hit in hits} == fused_by_pyserini(dense, sparse, "largest value", 30, alpha=1)
    (line,) = said
    nearest = re.search(r"is not flat; --alpha (\S+) comes nearest$", line)
    assert float(nearest.group(1)) == pytest.approx(IndexInfo.read(sparse.index_dir).scale / QUERY_SCALE, rel=0.01)


def test_an_index_without_its_store_is_pyserini_s_own(
    encoded: Path, tiny_model_dir: Path, sparse: LuceneImpactSearcher, said: list[str], tmp_path: Path
):
    shutil.copytree(encoded / "faiss", tmp_path / "faiss")
    dense = FaissSearcher(str(tmp_path / "faiss"), DupMAEQueryEncoder(str(tiny_model_dir)))
    hits = HybridSearcher(dense, sparse).search("largest value", 30, 1000, alpha=1)
    assert {hit.docid: hit.score for hit in hits} == fused_by_pyserini(dense, sparse, "largest value", 30, alpha=1)
    assert "not Eq. 12: " in said[0]


def test_terms_that_are_dropped_by_idf_are_pyserini_s_own(
    encoded: Path, tiny_model_dir: Path, dense: FaissSearcher, said: list[str]
):
    sparse = LuceneImpactSearcher(str(encoded / "lucene"), str(tiny_model_dir), 1)
    HybridSearcher(dense, sparse).search("largest value", 30, 10, alpha=1)
    assert "--min-idf 1 drops terms" in said[0]


class LengthEncoder(QueryEncoder):
    """Some other encoder."""

    def encode(self, query: str) -> np.ndarray:
        return np.full(16, len(query), np.float32)


@pytest.mark.parametrize("side", ["dense", "sparse", "both"])
def test_another_pair_of_encoders_is_untouched_and_silent(
    side: str, encoded: Path, dense: FaissSearcher, sparse: LuceneImpactSearcher, said: list[str]
):
    if side != "sparse":
        dense = FaissSearcher(str(encoded / "faiss"), LengthEncoder())
    if side != "dense":
        sparse = LuceneImpactSearcher(str(encoded / "lucene"), None, -1)
    hits = HybridSearcher(dense, sparse).search("largest value", 30, 1000, alpha=1)
    assert {hit.docid: hit.score for hit in hits} == fused_by_pyserini(dense, sparse, "largest value", 30, alpha=1)
    assert said == []


def test_a_model_that_did_not_make_the_index_is_refused(encoded: Path, linear_model_dir: Path):
    with pytest.raises(UserError, match="was built with another model"):
        FaissSearcher(str(encoded / "faiss"), DupMAEQueryEncoder(str(linear_model_dir)))
    with pytest.raises(UserError, match="was built with another model"):
        LuceneImpactSearcher(str(encoded / "lucene"), DupMAEImpactQueryEncoder(str(linear_model_dir)))
