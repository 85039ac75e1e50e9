"""Comparisons: counts, differences, one family for Holm's correction; the tests against enumeration and formula."""

import itertools
import math

import numpy as np
import pytest
from scipy import special

from pyserini_dupmae.evaluation.comparison import compare, holm, per_query_rows, randomisation_test, t_test

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
    assert rows[0] == ("base", "RR", "1", 0.5, 0.0)
    assert ("two", "RR", "3", 0.5, -0.5) in rows


DIFFERENCES = {
    "mixed": [0.3, -0.1, 0.25, 0.0, 0.4, 0.05, -0.2, 0.1, 0.15],
    "strong": [0.1, 0.2, 0.1, 0.3, 0.1, 0.2, 0.1, 0.1],
    "equal sums in another order": [0.1, 0.2, 0.3, -0.3, 0.1, 0.2, -0.1],
    "balanced": [0.5, -0.5],
}


def exact_p(differences):
    observed = abs(sum(differences))
    sums = [abs(sum(s * d for s, d in zip(signs, differences, strict=True))) for signs in signings(len(differences))]
    return sum(value >= observed - 1e-9 for value in sums) / len(sums)


def signings(length):
    return itertools.product([-1, 1], repeat=length)


@pytest.mark.parametrize("name", DIFFERENCES)
def test_randomisation_agrees_with_enumeration(name):
    exact = exact_p(DIFFERENCES[name])
    p = randomisation_test(np.array(DIFFERENCES[name]), permutations=40_000)
    assert abs(p - exact) <= 4 * math.sqrt(exact * (1 - exact) / 40_000) + 1 / 40_000


def test_randomisation_is_a_function_of_its_seed():
    differences = np.random.default_rng(0).normal(0.02, 0.3, 500)
    assert randomisation_test(differences, seed=1) == randomisation_test(differences, seed=1)
    assert randomisation_test(differences, seed=1) != randomisation_test(differences, seed=2)
    assert randomisation_test(differences, seed=1) == randomisation_test(-differences, seed=1)


def test_randomisation_never_gives_zero_and_splits_into_blocks():
    differences = np.full(5_000, 0.1)
    assert randomisation_test(differences, permutations=1_999) == 1 / 2_000
    assert randomisation_test(np.zeros(5)) == 1.0


def test_t_test_by_formula():
    differences = np.array(DIFFERENCES["mixed"])
    n = len(differences)
    t = differences.mean() / (differences.std(ddof=1) / math.sqrt(n))
    assert t_test(differences) == pytest.approx(special.betainc((n - 1) / 2, 0.5, (n - 1) / (n - 1 + t * t)))
    assert t_test(np.zeros(4)) == 1.0
    assert t_test(np.array([0.5])) == 1.0


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([0.02]) == [0.02]
    assert holm([]) == []
