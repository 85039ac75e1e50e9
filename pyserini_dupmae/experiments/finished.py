"""What became of a condition: its checks, and the files that tell of them and of how they came about."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pyserini_dupmae.evaluation.tables import markdown_text
from pyserini_dupmae.experiments.checks import Check
from pyserini_dupmae.experiments.condition_steps import ConditionPlan
from pyserini_dupmae.experiments.provenance import environment
from pyserini_dupmae.experiments.schema import AnyCondition
from pyserini_dupmae.experiments.steps import Outcome
from pyserini_dupmae.util.digests import combined
from pyserini_dupmae.util.files import atomic_open, write_json

REPORT_FORMATS = (".json", ".md")


@dataclass
class Finished:
    """What became of a condition: its checks, or the ``error`` that kept it from them.

    ``scores`` maps topic set -> metric -> value; ``mode`` is that of the results.
    """

    condition: AnyCondition
    checks: list[Check] = field(default_factory=list)
    scores: dict[str, dict[str, float]] = field(default_factory=dict)
    mode: str = ""
    error: str | None = None

    @property
    def failed(self) -> bool:
        """Whether it could not be run, or a number is not what is expected."""
        return self.error is not None or any(check.failed for check in self.checks)


def write_report(path: Path, conditions: Sequence[Finished]) -> None:
    """Write every number of every condition, as JSON or Markdown by the name of ``path``."""
    if path.suffix == ".json":
        rows = [
            {
                "condition": one.condition.name,
                "description": one.condition.description,
                "failed": one.failed,
                "error": one.error,
                "checks": [asdict(check) for check in one.checks],
            }
            for one in conditions
        ]
        write_json(path, {"environment": environment(), "conditions": rows})
        return
    with atomic_open(path) as stream:
        stream.writelines(line + "\n" for line in _markdown(conditions))


def _markdown(conditions: Sequence[Finished]) -> Iterator[str]:
    yield "| condition | quantity | status | measured | expected | paper |"
    yield "|---|---|---|---:|---:|---:|"
    for one in conditions:
        name = markdown_text(one.condition.name)
        for check in one.checks:
            cells = [_cell(value) for value in (check.got, check.expected, check.paper)]
            yield f"| {name} | {markdown_text(check.quantity)} | {check.status} | {' | '.join(cells)} |"
        if one.error is not None:
            yield f"| {name} | {markdown_text(one.error)} | FAIL | | | |"


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}" if isinstance(value, float) else f"{value:,}"


def record_of(planned: ConditionPlan, finished: Finished, outcomes: list[Outcome], seed: int) -> dict[str, Any]:
    """``provenance.json``: how the numbers of a condition came about, step by step."""
    here = environment()
    steps = []
    for outcome in outcomes:
        record = outcome.record
        elsewhere = {} if record.environment == here else {"environment": record.environment}
        steps.append(
            {
                "step": outcome.step.title,
                "command": record.command,
                "skipped": outcome.skipped,
                "finished": record.finished,
                "wall_time_seconds": record.seconds,
                "log": str(outcome.step.log),
                "sha256_inputs": {name: combined(found) for name, found in record.inputs.items()},
                "sha256_output": combined(record.output or {}),
                **elsewhere,
            }
        )
    return {
        "condition": planned.condition.model_dump(),
        "collection": planned.collection.model_dump(),
        "seed": seed,
        "command": sys.orig_argv,
        "environment": here,
        "steps": steps,
        "wall_time_seconds": round(sum(outcome.record.seconds or 0.0 for outcome in outcomes), 3),
        "checks": [asdict(check) for check in finished.checks],
        "error": finished.error,
    }
