"""What the sections are made of: places, labels, axes."""

import math
from dataclasses import replace

import pytest

from pyserini_dupmae.report import charts, per_query, scores, tradeoff
from pyserini_dupmae.report.blocks import Deltas
from pyserini_dupmae.report.charts import linear, logarithmic, ticks
from pyserini_dupmae.report.labels import Systems
from pyserini_dupmae.util.errors import UserError


def test_models_are_named_where_there_are_several(results):
    assert Systems(results).labels() == ["BM25", "[CLS]", "OT", "Eq. 12"]
    other = [replace(result, model="other", condition="o" + result.condition) for result in results if result.model]
    labels = Systems([*results, *other]).labels()
    assert labels == ["BM25", *(f"{m}, {name}" for name in ("[CLS]", "OT", "Eq. 12") for m in ("other", "tiny"))]


def test_a_condition_that_is_a_mean_comes_last_and_no_second_mean_is_added(results):
    average = replace(results[0], condition="all", collection="all", mean_of=("a", "b"))
    table = scores.overview(Systems([average, *results])).blocks[0]
    assert [row.cells[0].text for row in table.rows] == ["beir-nfcorpus test", "mine & <yours> test", "all test"]


def test_opponents_need_the_same_queries(results):
    values = {"other": 0.5}
    spoiled = [replace(r, per_query={"AP": values}, metrics={"AP": 0.5}) if r.mode == "dense" else r for r in results]
    assert per_query.section(Systems(spoiled)) is not None
    spoiled = [
        replace(r, per_query={"nDCG@10": values}, metrics={"nDCG@10": 0.5}) if r.mode == "dense" else r for r in results
    ]
    with pytest.raises(UserError, match="different queries"):
        per_query.section(Systems(spoiled))


def test_a_sweep_is_a_line_by_rising_k(results):
    chart = tradeoff.section(Systems(results)).blocks[0]
    line = next(series for series in chart.series if series.kind == "hybrid")
    assert [point.label for point in line.points] == ["k 6", "", "k 24"]
    assert [point.x for point in line.points] == pytest.approx([1.240567, 1.246567, 1.258567])
    alone = [result for result in results if result.top_k in (None, 24)]
    assert tradeoff.section(Systems(alone)) is None


def test_sweeps_of_two_settings_are_a_line_for_each_value_of_the_second(results):
    more = [replace(r, cls_dim=8, condition=f"{r.condition}.8") for r in results if r.mode == "hybrid"]
    chart = tradeoff.section(Systems([*results, *more])).blocks[0]
    assert [s.label for s in chart.series] == ["BM25", "[CLS]", "OT", "Eq. 12, d' 8", "Eq. 12, d' 16"]
    assert [len(series.points) for series in chart.series] == [1, 1, 1, 3, 3]


def test_settings_that_leave_a_base_one_at_a_time_are_a_line_each(results):
    base = [r for r in results if r.mode == "hybrid" and r.collection == "beir-nfcorpus"]
    reduced = replace(base[0], cls_dim=8, condition="reduced")
    exact = replace(base[0], bits=None, condition="exact")
    cut = replace(base[0], query_terms=5, condition="cut")
    apart = replace(base[0], cls_dim=4, top_k=3, condition="apart")
    chart = tradeoff.section(Systems([*base, reduced, exact, cut, apart])).blocks[0]
    assert {series.label: [point.label for point in series.points] for series in chart.series} == {
        "Eq. 12, d' 16, 8 bits, all query terms": ["k 6", "", "k 24"],
        "Eq. 12, k 24, 8 bits, all query terms": ["d' 8", "d' 16"],
        "Eq. 12, k 24, d' 16, all query terms": ["8 bits", "exact weights"],
        "Eq. 12, k 24, d' 16, 8 bits": ["5 query terms", "all query terms"],
        "Eq. 12, k 3, d' 4, 8 bits, all query terms": [""],
    }


@pytest.mark.parametrize(
    ("low", "high"), [(0.31, 0.47), (0, 0), (5, 5), (-1, 1), (1e-6, 2e-6), (0, 123456), (-0.3, -0.1)]
)
def test_ticks_span_the_values(low, high):
    found = ticks(low, high)
    assert found[0] <= low
    assert found[-1] >= high
    assert 2 <= len(found) <= 8


@pytest.mark.parametrize("axis", [linear, logarithmic])
@pytest.mark.parametrize("values", [[3.0], [0.002, 70.0], [1.0, 10.0], [1.0, 1e9]])
def test_axes_map_into_the_frame(axis, values):
    shown, scale = axis(values, 48, 350)
    assert all(48 - 1e-9 <= scale(value) <= 350 + 1e-9 for value in values)
    assert math.isclose(scale(shown[0]), 48)
    assert math.isclose(scale(shown[-1]), 350)


@pytest.mark.parametrize("values", [[0.5], [0.0, 0.0], [1.0] * 5000 + [-0.5] * 2000, [-0.1]])
def test_delta_charts_of_any_size(values):
    drawn = charts.delta_chart(Deltas("c", "difference", values))
    assert ('class="gain"' in drawn) == (max(values) > 0)
    assert ('class="loss"' in drawn) == (min(values) < 0)
    assert len(drawn) < 12_000
