from __future__ import annotations

import pytest

from pyserini_dupmae import DupMAESearcher
from pyserini_dupmae.util.errors import UserError
from tests.search.exhaustive import brute_force, is_ranking


@pytest.fixture(scope="module")
def searcher(encoded, tiny_model_dir):
    searcher = DupMAESearcher(encoded, str(tiny_model_dir))
    yield searcher
    searcher.close()


@pytest.mark.parametrize("engine", ["auto", "scan", "lists"])
@pytest.mark.parametrize("mode", ["dense", "sparse", "hybrid"])
def test_finds_what_brute_force_finds(mode, engine, encoded, query_model, documents, topics, queries):
    searcher = DupMAESearcher(encoded, query_model, mode=mode, engine=engine)
    qids, texts = zip(*topics, strict=True)
    results = searcher.batch_search(texts, qids, k=25, threads=2)
    assert list(results) == list(qids)
    for query, text, hits in zip(queries, texts, results.values(), strict=True):
        expected = brute_force(documents, query, mode, 25)
        assert [hit.score for hit in hits] == pytest.approx([score for _, score in expected], rel=1e-5)
        assert is_ranking([hit.docid for hit in hits], documents, query, mode)
        assert searcher.search(text, k=25) == hits
        for hit in hits:
            parts = {"dense": hit.cls_score, "sparse": hit.ot_score, "hybrid": hit.cls_score + hit.ot_score}
            assert hit.score == pytest.approx(parts[mode], rel=1e-6)
    searcher.close()


def test_takes_queries_that_are_encoded(searcher, topics, queries):
    (_, first), (_, second) = topics[:2]
    mixed = searcher.batch_search([queries[0], second], ["x", "y"], k=5)
    assert mixed == {"x": searcher.search(first, k=5), "y": searcher.search(second, k=5)}


def test_a_query_without_a_known_token(searcher, documents):
    (query,) = searcher.encode(["\u4e2d\u6587"])
    hits = searcher.search("\u4e2d\u6587", k=10)
    assert is_ranking([hit.docid for hit in hits], documents, query, "dense")
    assert {hit.ot_score for hit in hits} == {0.0}


def test_documents(searcher, corpus):
    assert searcher.num_docs == len(corpus)
    docid = corpus[3][0]
    assert searcher.doc(docid).docid() == docid
    assert searcher.doc(3).docid() == docid
    assert searcher.doc("no such document") is None
    assert searcher.doc(len(corpus)) is None
    assert searcher.doc(docid).raw() is None


def test_what_is_not_proved_is_logged(encoded, query_model, topics, caplog, short_lists):
    searcher = DupMAESearcher(encoded, query_model, certify=8, max_depth=8, engine="lists")
    with caplog.at_level("WARNING", "pyserini_dupmae"):
        searcher.batch_search([text for _, text in topics], [qid for qid, _ in topics], k=8)
    assert "queries is not proved" in caplog.text


def test_certifying_more_than_is_asked_for(encoded, query_model, topics):
    assert len(DupMAESearcher(encoded, query_model, certify=100).search(topics[0][1], k=5)) == 5


def test_the_model_that_the_collection_records_is_found(encoded, query_model, topics):
    query = topics[0][1]
    assert DupMAESearcher(encoded).search(query, k=5) == DupMAESearcher(encoded, query_model).search(query, k=5)


def test_another_model(encoded, linear_model_dir):
    with pytest.raises(UserError, match="was built with another model: its ot_head is mlm"):
        DupMAESearcher(encoded, str(linear_model_dir))


def test_what_cannot_be_searched(encoded, query_model, searcher, tmp_path):
    with pytest.raises(UserError, match="unknown mode 'both'"):
        DupMAESearcher(encoded, query_model, mode="both")
    with pytest.raises(UserError, match="unknown engine 'fast'; choose one of auto, scan, lists"):
        DupMAESearcher(encoded, query_model, engine="fast")
    with pytest.raises(UserError, match="no DupMAE index in"):
        DupMAESearcher(tmp_path / "nowhere", query_model)
    with pytest.raises(UserError, match="holds no finished forward store"):
        DupMAESearcher(tmp_path / "nowhere", query_model, engine="scan")
    with pytest.raises(UserError, match="hits must be at least 1, got 0"):
        searcher.search("a query", k=0)
    with pytest.raises(UserError, match="the dense mode does not open"):
        DupMAESearcher(encoded, query_model, mode="dense").doc("empty")
