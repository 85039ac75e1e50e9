"""What the sections are made of: places, labels, frontiers, thinned charts."""

import random
from dataclasses import replace
from itertools import pairwise

import pytest

from pyserini_dupmae.report import per_query, scores, tradeoff
from pyserini_dupmae.report.charts import Point, curve_chart, difference_chart, frontier
from pyserini_dupmae.report.labels import Systems
from pyserini_dupmae.util.errors import UserError


def test_models_are_named_where_there_are_several(results):
    assert Systems(results).labels() == ["BM25", "MiniLM", "[CLS]", "bag of words", "Eq. 12"]
    other = [replace(r, model="other", condition="o" + r.condition) for r in results if r.model == "tiny"]
    labels = Systems([*results, *other]).labels()
    names = ("[CLS]", "bag of words", "Eq. 12")
    assert labels == ["BM25", "MiniLM", *(f"{m}, {name}" for name in names for m in ("other", "tiny"))]


def test_a_condition_that_is_a_mean_comes_last_and_no_second_mean_is_added(results):
    average = [replace(r, condition="all", collection="all", mean_of=("a", "b")) for r in results if r.mode == "bm25"]
    table = scores.overview(Systems([average[0], *(r for r in results if r.mode == "bm25")])).blocks[0]
    assert [row.cells[0].text for row in table.rows] == ["beir-nfcorpus test", "mine & <yours> test", "all test"]


def test_only_collections_that_share_their_systems_share_a_table(results):
    lone = [replace(r, collection="lone", condition="l" + r.condition) for r in results if r.mode == "bm25"][:1]
    table = scores.overview(Systems([*lone, *results])).blocks[0]
    assert [row.cells[0].text for row in table.rows] == ["beir-nfcorpus test", "mine & <yours> test", "mean"]
    assert all(cell.text for row in table.rows for cell in row.cells)


def test_opponents_need_the_same_queries(results):
    values = {"other": 0.5}
    plain = [replace(result, queries=None) for result in results]
    spoiled = [replace(r, per_query={"AP": values}, metrics={"AP": 0.5}) if r.mode == "dense" else r for r in plain]
    assert per_query.section(Systems(spoiled)) is not None
    spoiled = [
        replace(r, per_query={"nDCG@10": values}, metrics={"nDCG@10": 0.5}) if r.mode == "dense" else r for r in plain
    ]
    with pytest.raises(UserError, match="different queries"):
        per_query.section(Systems(spoiled))


def test_a_label_says_what_differs_from_most(results):
    base = [r for r in results if r.mode == "hybrid" and r.collection == "beir-nfcorpus" and r.top_k == 24]
    changes = [{"cls_dim": 8}, {"top_k": 6}, {"bits": None}, {"query_terms": 5}, {"cls_dim": 4, "top_k": 3}]
    varied = [replace(base[0], condition=str(change), latency=None, **change) for change in changes]
    varied = [replace(r, index=replace(r.index, bytes=n)) for n, r in enumerate([*base, *varied], 10**6)]
    (chart,) = tradeoff.section(Systems(varied)).blocks
    assert {row["label"] for row in chart.spec["data"][0]["values"]} == {
        "Eq. 12",
        "d' 8",
        "k 6",
        "bits exact",
        "query terms 5",
        "d' 4, k 3",
    }


def test_the_frontier_has_what_nothing_beats():
    draw = random.Random(3)
    points = [Point(draw.randint(1, 20), draw.randint(1, 20), "dense", "", "") for _ in range(200)]
    wanted = {
        (p.x, p.y)
        for p in points
        if not any((q.x, q.y) != (p.x, p.y) and q.x <= p.x and q.y >= p.y for q in points)
    }  # fmt: skip
    assert {(p.x, p.y) for p in frontier(points)} == wanted


def test_large_charts_are_thinned():
    deltas = [(str(n), 1 - n / 3500) for n in range(7000)]
    rows = difference_chart("c", "AP", deltas, 1.0).spec["data"]["values"]
    assert len(rows) <= 600
    assert (rows[0]["from"], rows[-1]["to"]) == (0, 7000)
    assert all(a["to"] == b["from"] for a, b in pairwise(rows))
    rows = curve_chart("c", "loss", {"loss": [(float(n), 1.0) for n in range(10_001)]}).spec["data"]["values"]
    assert len(rows) <= 402
    assert (rows[0]["step"], rows[-1]["step"]) == (0, 10_000)
