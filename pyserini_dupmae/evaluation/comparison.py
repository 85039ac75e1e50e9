"""Runs against a baseline: differences query by query, wins and losses, and whether chance explains them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from pyserini_dupmae.evaluation.measures import Values
from pyserini_dupmae.evaluation.significance import holm, randomisation_test, t_test

TESTS = ("randomisation", "t")


@dataclass(frozen=True)
class Comparison:
    """One run against the baseline under one metric.

    ``difference`` is the mean of run minus baseline; ``wins``, ``ties`` and ``losses`` count queries from the run's
    side; ``p`` is the test's and ``p_holm`` the same after Holm's correction over all comparisons made together.
    """

    metric: str
    baseline: str
    run: str
    difference: float
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
            wins=int((d > 0).sum()),
            ties=int((d == 0).sum()),
            losses=int((d < 0).sum()),
            p=p,
            p_holm=p_holm,
        )
        for (metric, run), d, p, p_holm in zip(pairs, differences, p_values, holm(p_values), strict=True)
    ]


def per_query_rows(values: Mapping[str, Values], baseline: str) -> Iterator[dict[str, str | float]]:
    """One record for each run, metric and query: ``run``, ``metric``, ``qid``, ``value``, ``delta`` to the baseline."""
    for run, of_run in values.items():
        for metric, of_metric in of_run.items():
            for qid, value in of_metric.items():
                delta = value - values[baseline][metric][qid]
                yield {"run": run, "metric": metric, "qid": qid, "value": value, "delta": delta}


def _differences(run: Mapping[str, float], baseline: Mapping[str, float]) -> np.ndarray:
    return np.array([run[qid] - value for qid, value in baseline.items()], np.float64)
