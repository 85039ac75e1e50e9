"""Paired two-sided significance tests over per-query differences, and Holm's correction for several of them.

The randomisation test is the one that Smucker, Allan and Carterette (CIKM 2007) recommend for retrieval experiments;
the correction is Holm's (1979), which holds whatever the dependence between the tests.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

BLOCK_BYTES = 1 << 24
RELATIVE_TOLERANCE = 1e-12


def randomisation_test(differences: np.ndarray, permutations: int = 10_000, seed: int = 42) -> float:
    """p of a mean as far from 0 as that of ``differences`` (n,), when each difference may as well have the other sign.

    ``permutations`` random assignments of signs are drawn. The observed one counts among them (Phipson and Smyth,
    2010), so that p is at least 1 / (permutations + 1) and never 0.
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


def t_test(differences: np.ndarray) -> float:
    """p of Student's paired t-test for ``differences`` (n,); 1 when all are 0 or there is only one."""
    if len(differences) < 2 or not differences.any():
        return 1.0
    from scipy import stats  # comes with ir_measures

    return float(stats.ttest_1samp(differences, 0.0).pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjusted p values, in the order given: reject those that are at most the level wanted."""
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for step, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - step) * p_values[index]))
        adjusted[index] = largest
    return adjusted
