"""Loss curves, from the logs that results name."""

from __future__ import annotations

import math
from pathlib import Path

from pyserini_dupmae.data.jsonl import read_objects
from pyserini_dupmae.report.blocks import Cell, LineChart, Point, Row, Section, Series, Table, score
from pyserini_dupmae.report.labels import Systems
from pyserini_dupmae.util.errors import UserError
from pyserini_dupmae.util.log import logger

STEP = "step"
CURVE_POINTS = 300


def section(systems: Systems) -> Section | None:
    """A chart and a table for each training log. A log that is gone is reported and left out."""
    logs: dict[str, str] = {}
    for result in systems.results:
        if result.training_log:
            logs.setdefault(result.training_log, result.model or result.condition)
    blocks: list[LineChart | Table] = []
    for log, title in logs.items():
        if not Path(log).is_file():
            logger.warning("there is no training log %s; it is left out", log)
            continue
        curves = read_losses(Path(log))
        series = [Series(name, _thinned(points)) for name, points in curves.items()]
        blocks.append(LineChart(f"{title}: loss", "step", "loss", series))
        rows = [Row([Cell(name), *_summary(points)]) for name, points in curves.items()]
        blocks.append(Table(f"{title}: loss", ["loss", "first", "last", "lowest", "at step"], rows))
    return Section("Training", "Losses as they were logged.", list(blocks)) if blocks else None


def read_losses(path: Path) -> dict[str, list[Point]]:
    """Name -> (step, value) of every number in a JSONL log whose name has "loss" in it.

    Lines without a step or a loss (evaluations, for example) are passed over. Raises `UserError`, with file and line,
    for what is not a JSON object, and when there is no loss at all.
    """
    curves: dict[str, list[Point]] = {}
    for _, entry in read_objects(path):
        for name, value in entry.items():
            if "loss" in name and _is_number(value) and _is_number(entry.get(STEP)):
                curves.setdefault(name, []).append(Point(entry[STEP], value))
    if not curves:
        raise UserError(f"{path} has no line with a step and a loss")
    return curves


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _thinned(points: list[Point]) -> list[Point]:
    stride = math.ceil(len(points) / CURVE_POINTS)
    return [*points[:-1:stride], points[-1]]


def _summary(points: list[Point]) -> list[Cell]:
    lowest = min(points, key=lambda point: point.y)
    return [Cell(score(points[0].y)), Cell(score(points[-1].y)), Cell(score(lowest.y)), Cell(f"{lowest.x:,}")]
