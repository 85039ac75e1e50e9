"""Comparisons: counts, differences, and one family for Holm's correction."""

import numpy as np
import pytest

from pyserini_dupmae.evaluation import compare
from pyserini_dupmae.evaluation.comparison import per_query_rows
from pyserini_dupmae.evaluation.significance import holm, randomisation_test, t_test

VALUES = {
    "base": {"RR": {"1": 0.5, "2": 0.0, "3": 1.0}, "AP": {"1": 0.1, "2": 0.2, "3": 0.3}},
    "one": {"RR": {"3": 1.0, "2": 0.5, "1": 1.0}, "AP": {"1": 0.1, "2": 0.2, "3": 0.3}},
    "two": {"RR": {"1": 0.25, "2": 0.0, "3": 0.5}, "AP": {"1": 0.4, "2": 0.1, "3": 0.5}},
}


def test_counts_and_differences():
    found = {(c.run, c.metric): c for c in compare(VALUES, "base")}
    assert list(found) == [("one", "RR"), ("one", "AP"), ("two", "RR"), ("two", "AP")]
    first, second = found["one", "RR"], found["two", "AP"]
    assert (first.wins, first.ties, first.losses) == (2, 1, 0)
    assert first.difference == pytest.approx(1 / 3)
    assert (second.wins, second.ties, second.losses) == (2, 0, 1)
    assert {c.baseline for c in found.values()} == {"base"}


@pytest.mark.parametrize("test", ["randomisation", "t"])
def test_p_values_are_the_tests_and_corrected_together(test):
    function = randomisation_test if test == "randomisation" else t_test
    found = compare(VALUES, "base", test)
    expected = [
        function(np.array([VALUES[c.run][c.metric][qid] - VALUES["base"][c.metric][qid] for qid in "123"]))
        for c in found
    ]
    assert [c.p for c in found] == expected
    assert [c.p_holm for c in found] == holm(expected)


def test_another_baseline_turns_the_signs():
    there, back = compare(VALUES, "base")[0], compare(VALUES, "one")[0]
    assert (there.difference, there.wins, there.p) == (-back.difference, back.losses, back.p)


def test_unknown_test():
    with pytest.raises(ValueError, match="wilcoxon"):
        compare(VALUES, "base", "wilcoxon")


def test_per_query_rows():
    rows = list(per_query_rows(VALUES, "base"))
    assert len(rows) == 18
    assert rows[0] == {"run": "base", "metric": "RR", "qid": "1", "value": 0.5, "delta": 0.0}
    assert {"run": "two", "metric": "RR", "qid": "3", "value": 0.5, "delta": -0.5} in rows
