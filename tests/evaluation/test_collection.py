"""Searching and measuring in one step: against run files that the search command writes, and by hand."""

from __future__ import annotations

from collections import namedtuple
from dataclasses import replace

import numpy as np
import pytest

from pyserini_dupmae.data.query_records import read_queries
from pyserini_dupmae.data.runs import read_run
from pyserini_dupmae.evaluation import measure
from pyserini_dupmae.evaluation.collection import measure_search, measure_searcher
from pyserini_dupmae.search import DupMAESearcher
from pyserini_dupmae.search.__main__ import main as search
from pyserini_dupmae.search.explanation import explain
from pyserini_dupmae.util.errors import UserError

Hit = namedtuple("Hit", "docid score")
FOUND = {"q1": [Hit("q1", 3.0), Hit("a", 2.0), Hit("b", 1.0)], "q2": [], "q3": [Hit("c", 1.0), Hit("d", 1.0)]}
QRELS = {"q1": {"b": 1}, "q2": {"a": 1}, "q3": {"d": 1}, "q4": {"a": 1}}


@pytest.fixture
def engine():
    """A search over `FOUND` that notes each call in its attribute ``calls``."""

    def ranked(queries, hits):
        ranked.calls.append((list(queries), hits))
        return [FOUND[query][:hits] for query in queries]

    ranked.calls = []
    return ranked


TOPICS = [(qid, qid) for qid in FOUND]


def test_values_by_query_and_the_run(engine):
    measured = measure_search(engine, TOPICS, QRELS, metrics=["RR@10", "MRR@10"], hits=3, name="mine")
    assert measured.values["RR@10"] == {"q1": pytest.approx(1 / 3), "q2": 0.0, "q3": 1.0, "q4": 0.0}
    assert measured.values["MRR@10"]["q3"] == 0.5  # the rank that the search gave; trec_eval turns equal scores round
    assert measured.means["RR@10"] == pytest.approx((1 / 3 + 1) / 4)
    assert measured.run.scores == {qid: {h.docid: h.score for h in hits} for qid, hits in FOUND.items() if hits}
    assert measured.run.name == "mine"


def test_the_query_itself_is_left_out_and_replaced(engine):
    measured = measure_search(engine, TOPICS, QRELS, metrics=["RR@10"], hits=2, remove_query=True)
    assert list(measured.run.scores["q1"]) == ["a", "b"]
    assert list(measured.run.scores["q3"]) == ["c", "d"]
    assert measured.run.ranks == {"q1": [1, 2], "q3": [1, 2]}


def test_batches_and_warming_up(engine):
    measured = measure_search(engine, TOPICS, QRELS, metrics=["RR@10"], hits=5, batch_size=2, warm_up=1)
    assert engine.calls == [(["q1"], 5), (["q1", "q2"], 5), (["q3"], 5)]
    assert len(measured.seconds) == 2
    assert measured.values == measure_search(engine, TOPICS, QRELS, metrics=["RR@10"], hits=5).values


@pytest.fixture(scope="module")
def judged(corpus, topics):
    draw = np.random.default_rng(3)
    docids = [docid for docid, _ in corpus]
    return {qid: {docids[row]: 1 for row in draw.choice(len(docids), 30, replace=False)} for qid, _ in topics}


def test_a_searcher_equals_the_search_command_in_every_mode(
    encoded, tiny_model_dir, topics, topics_file, judged, tmp_path
):
    searcher = DupMAESearcher(encoded, tiny_model_dir)
    measured = measure_searcher(searcher, topics, judged, metrics=["nDCG@10", "R@100"], hits=100)
    searcher.close()
    assert set(measured) == {"dense", "sparse", "hybrid"}
    for mode, of_mode in measured.items():
        run = tmp_path / f"{mode}.txt"
        words = ["--index", str(encoded), "--encoder", str(tiny_model_dir), "--topics", str(topics_file)]
        found = tmp_path / f"{mode}.jsonl"
        search([*words, "--hits", "100", "--mode", mode, "--output", str(run), "--explanations", str(found)])
        shown = {record.qid: record for record in of_mode.queries(dict(topics))}
        for record in read_queries(found):  # the command does not know the judgements
            hits = [replace(hit, relevance=0) for hit in shown[record.qid].hits]
            assert record == replace(shown[record.qid], hits=tuple(hits))
        written = read_run(run)
        assert {qid: list(hits) for qid, hits in of_mode.run.scores.items()} == {
            qid: list(hits) for qid, hits in written.scores.items()
        }
        assert of_mode.run.ranks == written.ranks
        assert of_mode.values["R@100"] == measure(written, judged, ["R@100"])["R@100"]
    assert len({tuple(of_mode.values["R@100"].values()) for of_mode in measured.values()}) == 3


def test_what_is_shown_of_a_query_is_what_explain_says(encoded, tiny_model_dir, topics, judged):
    with DupMAESearcher(encoded, tiny_model_dir) as searcher:
        found = measure_searcher(searcher, topics[:3], judged, metrics=["R@100"], hits=30)
        for qid, text in topics[:3]:
            for mode, measured in found.items():
                shown = measured.shown[qid]
                assert [hit.docid for hit in shown] == list(measured.run.scores[qid])[:10]
                assert [hit.relevance for hit in shown] == [judged[qid].get(hit.docid, 0) for hit in shown]
                for hit in shown:
                    reason = explain(searcher, query=text, docid=hit.docid)
                    words = [(share.token, share.contribution) for share in reason.tokens[:8]]
                    assert hit.words == (() if mode == "dense" else tuple(words))
                    parts = (reason.cls_score, reason.ot_score) if mode == "hybrid" else (None, None)
                    assert (hit.dense, hit.sparse) == parts


def test_engine_and_threads_change_no_run(encoded, tiny_model_dir, topics, judged):
    runs = []
    for engine, threads in (("scan", 1), ("scan", 3), ("lists", None)):
        with DupMAESearcher(encoded, tiny_model_dir, engine=engine) as searcher:
            found = measure_searcher(searcher, topics, judged, metrics=["R@100"], hits=40, threads=threads)
        runs.append({mode: measured.run.scores for mode, measured in found.items()})
    assert runs[0] == runs[1] == runs[2]


def test_modes_that_cannot_be_searched(encoded, tiny_model_dir, topics, judged):
    searcher = DupMAESearcher(encoded, tiny_model_dir, mode="dense", engine="lists")
    with pytest.raises(UserError, match="unknown mode 'cls'"):
        measure_searcher(searcher, topics, judged, modes=["cls"])
    with pytest.raises(UserError, match="opened without its sparse part"):
        measure_searcher(searcher, topics, judged, modes=["hybrid"])
