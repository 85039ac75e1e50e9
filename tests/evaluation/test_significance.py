"""The tests against enumeration of every sign, against the formula, and Holm's correction by hand."""

import itertools
import math

import numpy as np
import pytest
from scipy import special

from pyserini_dupmae.evaluation.significance import holm, randomisation_test, t_test

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
