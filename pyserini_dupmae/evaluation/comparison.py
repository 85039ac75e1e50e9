"""Runs against a baseline: differences query by query, wins and losses, and whether chance explains them.

The tests are paired and two-sided. The randomisation test is the one that Smucker, Allan and Carterette (CIKM 2007)
recommend for retrieval experiments; the correction for several comparisons is Holm's (1979), which holds whatever the
dependence between the tests.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from pyserini_dupmae.evaluation.measures import Values

TESTS = ("randomisation", "t")
BLOCK_BYTES = 1 << 24
RELATIVE_TOLERANCE = 1e-12


@dataclass(frozen=True)
class Comparison:
    """One run against the baseline under one metric.

    ``difference`` is the mean of run minus baseline, ``low`` to ``high`` its 95 % confidence interval; ``wins``,
    ``ties`` and ``losses`` count queries from the run's side; ``p`` is the test's and ``p_holm`` the same after Holm's
    correction over all comparisons made together.
    """

    metric: str
    baseline: str
    run: str
    difference: float
    low: float
    high: float
    wins: int
    ties: int
    losses: int
    p: float
    p_holm: float


def compare(
    values: Mapping[str, Values],
    baseline: str,
    test: str = "randomisation",
    permutations: int = 10_000,
    seed: int = 42,
) -> list[Comparison]:
    """Compare each run in ``values`` (run -> what `measure` gave) with ``baseline``, one of its keys.

    The runs must have been measured on the same queries and metrics. ``test`` is one of `TESTS`; ``permutations`` and
    ``seed`` are the randomisation test's. Every comparison uses the same seed, so its p does not depend on the others.
    """
    if test not in TESTS:
        raise ValueError(f"unknown test {test!r}; choose one of {', '.join(TESTS)}")
    pairs = [(metric, run) for run in values if run != baseline for metric in values[baseline]]
    differences = [_differences(values[run][metric], values[baseline][metric]) for metric, run in pairs]
    p_values = [t_test(d) if test == "t" else randomisation_test(d, permutations, seed) for d in differences]
    return [
        Comparison(
            metric,
            baseline,
            run,
            float(d.mean()),
            *interval(d),
            wins=int((d > 0).sum()),
            ties=int((d == 0).sum()),
            losses=int((d < 0).sum()),
            p=p,
            p_holm=p_holm,
        )
        for (metric, run), d, p, p_holm in zip(pairs, differences, p_values, holm(p_values), strict=True)
    ]


class QueryRow(NamedTuple):
    """The value of one query, and its difference from the baseline's."""

    run: str
    metric: str
    qid: str
    value: float
    delta: float


def per_query_rows(values: Mapping[str, Values], baseline: str) -> Iterator[QueryRow]:
    """One row for each run, metric and query."""
    for run, of_run in values.items():
        for metric, of_metric in of_run.items():
            for qid, value in of_metric.items():
                yield QueryRow(run, metric, qid, value, value - values[baseline][metric][qid])


def randomisation_test(differences: np.ndarray, permutations: int = 10_000, seed: int = 42) -> float:
    """p of a mean as far from 0 as that of ``differences`` (n,), when each difference may as well have the other sign.

    ``permutations`` random assignments of signs are drawn. The observed one counts among them (Phipson and Smyth,
    2010), so that p is at least 1 / (permutations + 1) and never 0.

    ``scipy.stats.permutation_test`` draws every sign as one of a permutation's two orders, which takes ten times as
    long for 7,000 queries, and calls twice the smaller one-sided p two-sided.
    """
    sizes = np.abs(differences[differences != 0]).astype(np.float64)
    if not sizes.size:
        return 1.0
    total = sizes.sum()
    observed = abs(float(differences.sum())) - RELATIVE_TOLERANCE * total  # equal sums may differ by rounding
    generator = np.random.default_rng(seed)
    block = max(1, BLOCK_BYTES // (sizes.size * sizes.itemsize))
    extreme = 0
    for start in range(0, permutations, block):
        negative = generator.integers(0, 2, (min(block, permutations - start), sizes.size), dtype=np.uint8)
        sums = total - 2 * (negative @ sizes)
        extreme += int(np.count_nonzero(np.abs(sums) >= observed))
    return (extreme + 1) / (permutations + 1)


def interval(
    values: Sequence[float] | np.ndarray, level: float = 0.95, resamples: int = 2_000, seed: int = 42
) -> tuple[float, float]:
    """A confidence interval of the mean of ``values``: percentiles of the means of bootstrap samples (Efron, 1979).

    >>> low, high = interval([0.0, 1.0] * 50)
    >>> low < 0.5 < high
    True
    """
    given = np.asarray(values, np.float64)
    generator = np.random.default_rng(seed)
    block = max(1, BLOCK_BYTES // (given.size * given.itemsize))
    means = [
        given[generator.integers(0, given.size, (min(block, resamples - start), given.size))].mean(axis=1)
        for start in range(0, resamples, block)
    ]
    low, high = np.quantile(np.concatenate(means), ((1 - level) / 2, (1 + level) / 2))
    return float(low), float(high)


def t_test(differences: np.ndarray) -> float:
    """p of Student's paired t-test for ``differences`` (n,); 1 when all are 0 or there is only one."""
    if len(differences) < 2 or not differences.any():
        return 1.0
    from scipy import stats  # takes half a second

    return float(stats.ttest_1samp(differences, 0.0).pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjusted p values, in the order given: reject those that are at most the level wanted."""
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for step, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - step) * p_values[index]))
        adjusted[index] = largest
    return adjusted


def _differences(run: Mapping[str, float], baseline: Mapping[str, float]) -> np.ndarray:
    return np.array([run[qid] - value for qid, value in baseline.items()], np.float64)
