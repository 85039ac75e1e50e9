"""The summary that ``--output-report`` writes: every number of every condition that was run, as JSON or Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from pyserini_dupmae.experiments.provenance import environment
from pyserini_dupmae.reproduce.runner import Finished
from pyserini_dupmae.util.errors import UserError
from pyserini_dupmae.util.files import atomic_open, write_json

FORMATS = (".json", ".md")


def require_format(path: Path) -> None:
    """Raise `UserError` unless the name of ``path`` tells one of `FORMATS`."""
    if path.suffix not in FORMATS:
        raise UserError(f"--output-report {path}: the name must end in {' or '.join(FORMATS)}")


def write_report(path: Path, conditions: Sequence[Finished]) -> None:
    """Write the report in the format that the name of ``path`` tells."""
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
        for check in one.checks:
            cells = [_cell(value) for value in (check.got, check.expected, check.paper)]
            yield f"| {one.condition.name} | {check.quantity} | {check.status} | {' | '.join(cells)} |"
        if one.error is not None:
            yield f"| {one.condition.name} | {one.error.replace('|', chr(92) + '|')} | FAIL | | | |"


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}" if isinstance(value, float) else f"{value:,}"
