"""What a recipe's evaluations found, as one table: a row for each model and collection."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pyserini_dupmae.evaluation.results import SUFFIX, ConditionResult, read_result
from pyserini_dupmae.evaluation.tables import markdown_table
from pyserini_dupmae.experiments.steps import Step
from pyserini_dupmae.util.files import atomic_open, write_json

METRICS = ("nDCG@10", "MRR@10")
MODES = ("dense", "sparse", "hybrid")
TABLE, DATA = "results.md", "results.json"


def gather(steps: Iterable[Step]) -> list[ConditionResult]:
    """What the steps that evaluate have measured, in their order."""
    return [read_result(path) for step in steps for path in sorted(step.output.glob("*" + SUFFIX))]


def table(results: Sequence[ConditionResult]) -> str:
    """The means as a Markdown table: metrics by modes, a row for each model and collection."""
    header = ["model", "collection", *(f"{metric} {mode}" for metric in METRICS for mode in MODES)]
    rows = [
        [row["model"], row["collection"], *(f"{row[metric][mode]:.4f}" for metric in METRICS for mode in MODES)]
        for row in _rows(results)
    ]
    return markdown_table(header, rows)


def write(results: Sequence[ConditionResult], output: Path) -> None:
    """Write the table, and the same as data: ``[{"model": ..., "nDCG@10": {"dense": ..., ...}, ...}, ...]``."""
    with atomic_open(output / TABLE) as stream:
        stream.write(table(results) + "\n")
    write_json(output / DATA, _rows(results))


def _rows(results: Iterable[ConditionResult]) -> list[dict[str, Any]]:
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for one in results:
        empty = {"model": one.model, "collection": one.collection, **{metric: {} for metric in METRICS}}
        row = rows.setdefault((one.model, one.collection), empty)
        for metric in METRICS:
            row[metric][one.mode] = one.metrics[metric]
    return list(rows.values())
