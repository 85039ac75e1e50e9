"""Measures against pytrec_eval on random runs with ties, and MS MARCO's rule against its formula."""

import random

import pytest
import pytrec_eval

from pyserini_dupmae.evaluation import Run, coverage, mean, measure
from pyserini_dupmae.util.errors import UserError


@pytest.fixture(scope="module")
def judged():
    """Graded judgements for 60 queries, some with nothing relevant at all."""
    draw = random.Random(7)
    docids = [f"d{number}" for number in range(80)]
    return {
        f"q{number}": {docid: draw.choice([-1, 0, 0, 1, 2, 3]) * (number % 10 > 0) for docid in draw.sample(docids, 30)}
        for number in range(60)
    }


@pytest.fixture(scope="module")
def run():
    """50 of the judged queries and 10 that are not judged; few distinct scores, some equal only in single precision."""
    draw = random.Random(8)
    docids = [f"d{number}" for number in range(80)]
    levels = [0.25, 1.0, 1.00000001, 1.00000002, 3.5, -2.0]
    return Run({f"q{n}": {docid: draw.choice(levels) for docid in draw.sample(docids, 50)} for n in range(10, 70)})


@pytest.mark.parametrize(
    ("metric", "trec_name", "level"),
    [
        ("nDCG@10", "ndcg_cut_10", 1),
        ("R@20", "recall_20", 1),
        ("R(rel=2)@20", "recall_20", 2),
        ("P@5", "P_5", 1),
        ("AP", "map", 1),
        ("AP(rel=2)", "map", 2),
        ("RR", "recip_rank", 1),
        ("RR(rel=3)", "recip_rank", 3),
        ("RR(rel=3)@50", "recip_rank", 3),
    ],
)
def test_equal_to_trec_eval(judged, run, metric, trec_name, level):
    name = trec_name.replace("_cut_10", "_cut.10").replace("recall_20", "recall.20").replace("P_5", "P.5")
    theirs = pytrec_eval.RelevanceEvaluator(judged, {name}, relevance_level=level).evaluate(run.scores)
    ours = measure(run, judged, [metric])[metric]
    assert list(ours) == list(judged)
    assert ours == {qid: theirs[qid][trec_name] if qid in theirs else 0.0 for qid in judged}


def test_metrics_together_equal_metrics_alone(judged, run):
    metrics = ["R(rel=2)@20", "nDCG@10", "RR@10", "MRR@10", "AP"]
    together = measure(run, judged, metrics)
    assert list(together) == metrics
    for metric in metrics:
        assert together[metric] == measure(run, judged, [metric])[metric]


def test_rr_cuts_trec_evals_order(judged, run):
    full, cut = measure(run, judged, ["RR", "RR@10"]).values()
    assert any(0 < value < 0.1 for value in full.values())
    assert cut == {qid: value if value >= 0.1 else 0.0 for qid, value in full.items()}


def test_mrr_takes_the_stated_ranks():
    """MS MARCO: the mean over all judged queries of 1/rank of the first relevant passage among the first ten."""
    qrels = {"1": {"a": 1}, "2": {"b": 1, "c": 1}, "3": {"a": 1}, "4": {"d": 1}, "5": {"e": 0}}
    scores = {
        "1": {"a": 0.1, "b": 0.9},
        "2": {"x": 5, "b": 4, "c": 4},
        "3": {"z": 1, "a": 0},
        "5": {"e": 1},
        "9": {"a": 1},
    }
    run = Run(scores, {"1": [1, 2], "2": [1, 7, 4], "3": [1, 11], "5": [1], "9": [1]})
    values = measure(run, qrels, ["MRR@10", "RR@10", "MRR"])
    assert values["MRR@10"] == {"1": 1.0, "2": 1 / 4, "3": 0.0, "4": 0.0, "5": 0.0}
    assert mean(values["MRR@10"]) == pytest.approx((1 + 1 / 4) / 5)
    assert values["RR@10"] == {"1": 1 / 2, "2": 1 / 2, "3": 1 / 2, "4": 0.0, "5": 0.0}
    assert values["MRR"]["3"] == 1 / 11


def test_mrr_on_graded_judgements():
    run = Run({"1": {"a": 3, "b": 2}}, {"1": [1, 2]})
    assert measure(run, {"1": {"a": 1, "b": 2}}, ["MRR(rel=2)@10"]) == {"MRR(rel=2)@10": {"1": 0.5}}


@pytest.mark.parametrize(("ranks", "says"), [([1, 1], "rank 1 stands twice"), ([0, 1], "rank 0")])
def test_mrr_refuses_ranks_that_are_none(ranks, says):
    run = Run({"1": {"a": 3, "b": 2}}, {"1": ranks}, "mine.txt")
    assert measure(run, {"1": {"b": 1}}, ["RR@10"])["RR@10"] == {"1": 0.5}
    with pytest.raises(UserError, match=f"mine.txt, query 1: {says}"):
        measure(run, {"1": {"b": 1}}, ["MRR@10"])


@pytest.mark.parametrize(
    "metric", ["foo", "R", "nDCG@ten", "nDCG@10@", "P(level=1)@5", "NumRet", "", "RR@2.5", "import os"]
)
def test_unknown_metrics(metric):
    with pytest.raises(UserError, match="metric"):
        measure(Run({"1": {"a": 1}}), {"1": {"a": 1}}, [metric])


def test_coverage(judged, run):
    found = coverage(run, judged)
    assert found.judged == 60
    assert found.missing == [f"q{number}" for number in range(10)]
    assert found.unjudged == [f"q{number}" for number in range(60, 70)]
    with pytest.raises(UserError, match="no query of run is judged"):
        coverage(run, {"elsewhere": {"d1": 1}})
