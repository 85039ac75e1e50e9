"""Variants with several seeds against a baseline."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pyserini_dupmae.evaluation.results import ConditionResult
from pyserini_dupmae.experiments.seeds import compare_seeds
from pyserini_dupmae.training.run.seeds import main
from pyserini_dupmae.util.errors import UserError

QUERIES = [f"q{number}" for number in range(40)]


def write(folder: Path, variant: str, seed: int, values: np.ndarray, mode: str = "hybrid", **changed) -> None:
    """A record of what ``variant`` has with ``seed``, as an evaluation leaves it in a folder of its own."""
    place = folder / f"{variant}-{seed}"
    place.mkdir(exist_ok=True)
    per_query = {"nDCG@10": dict(zip(QUERIES, values.tolist(), strict=True))}
    fields = {"model": f"{variant} seed {seed}", "collection": "cranfield", "topics": "test", "mode": mode} | changed
    metrics = {"nDCG@10": float(values.mean())}
    result = ConditionResult(condition=f"{variant} {mode}", metrics=metrics, per_query=per_query, **fields)
    result.write(place / f"{mode}.result.json")


@pytest.fixture
def values(tmp_path) -> dict[tuple[str, int], np.ndarray]:
    """Two seeds of three variants: one like the baseline, one that is better by a tenth on every query."""
    random = np.random.default_rng(0)
    base = {seed: random.uniform(0.2, 0.6, len(QUERIES)) for seed in (1, 2)}
    made = {("plain", seed): value for seed, value in base.items()}
    made |= {("alike", seed): value + random.normal(0, 0.05, len(QUERIES)) for seed, value in base.items()}
    made |= {("better", seed): value + 0.1 + 0.01 * seed for seed, value in base.items()}
    for (variant, seed), value in made.items():
        write(tmp_path, variant, seed, value)
    return made


def folders(tmp_path: Path) -> list[Path]:
    return sorted(tmp_path.glob("*-[0-9]"))


def test_means_spread_and_differences(values, tmp_path):
    found = compare_seeds(folders(tmp_path), baseline="plain")
    for variant in ("plain", "alike", "better"):
        expected = [values[variant, seed].mean() for seed in (1, 2)]
        assert found.scores[variant, "cranfield test", "hybrid"] == pytest.approx(expected)
    by_variant = {one.variant: one for one in found.differences}
    assert set(by_variant) == {"alike", "better"}
    better = by_variant["better"]
    assert better.by_seed == pytest.approx([0.11, 0.12])
    assert better.standard_error == pytest.approx(np.std([0.11, 0.12], ddof=1) / 2**0.5)
    assert better.p < 0.001 < by_variant["alike"].p


def test_the_command_writes_the_tables(values, tmp_path, capsys):
    results = [str(folder) for folder in folders(tmp_path)]
    main(["--results", *results, "--baseline", "plain", "--output", str(tmp_path / "out")])
    printed = capsys.readouterr().out
    assert printed == (tmp_path / "out" / "seeds.md").read_text()
    mean = np.mean([values["better", seed].mean() for seed in (1, 2)])
    assert f"| better | cranfield test | Eq. 12 | 2 | {mean:.4f} ± " in printed
    assert "| better | cranfield test | Eq. 12 | +0.1150 ± 0.0050 | " in printed


def test_what_cannot_be_compared(values, tmp_path):
    with pytest.raises(UserError, match="no results of 'other'; there are alike, better, plain"):
        compare_seeds(folders(tmp_path), baseline="other")
    with pytest.raises(UserError, match=r"has no MRR@10"):
        compare_seeds(folders(tmp_path), baseline="plain", metric="MRR@10")
    write(tmp_path, "better", 3, values["better", 1])
    with pytest.raises(UserError, match=r"better has the seeds \[1, 2, 3\] on cranfield test, but plain \[1, 2\]"):
        compare_seeds(folders(tmp_path), baseline="plain")
    write(tmp_path, "better", 3, values["better", 1], model="somebody's")
    with pytest.raises(UserError, match='is called "somebody\'s", not VARIANT seed N'):
        compare_seeds(folders(tmp_path), baseline="plain")
