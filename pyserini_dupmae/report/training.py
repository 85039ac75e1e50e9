"""Loss curves, from the logs that results name and those below the folder of results."""

from __future__ import annotations

import math
from pathlib import Path

from pyserini_dupmae.data.jsonl import read_objects
from pyserini_dupmae.evaluation.results import TRAINING_LOG
from pyserini_dupmae.report.blocks import Block, Cell, Section, number, table
from pyserini_dupmae.report.charts import curve_chart
from pyserini_dupmae.report.labels import Systems
from pyserini_dupmae.util.log import logger

STEP = "step"
Curve = list[tuple[float, float]]
ASIDE = ("runtime", "per_second", "epoch")
"""Of what an evaluation logs this tells nothing about the model."""


def section(systems: Systems) -> Section | None:
    """Charts and a table for each training log, the oldest first. One that is gone, or has no loss, is left out."""
    folder = Path(systems.folder)
    logs: dict[Path, str] = {}
    for result in systems.results:
        if result.training_log:
            logs.setdefault(Path(result.training_log).resolve(), result.model or result.condition)
    for log in folder.rglob(TRAINING_LOG):
        logs[log.resolve()] = str(log.parent.relative_to(folder)) if log.parent != folder else folder.name
    for log in [log for log in logs if not log.is_file()]:
        logger.warning("there is no training log %s; it is left out", log)
        del logs[log]
    blocks: list[Block] = []
    for log, title in sorted(logs.items(), key=lambda one: (one[0].stat().st_mtime, one[1])):
        losses, evaluations = read_log(log)
        if not losses:
            logger.warning("%s has no line with a step and a loss; it is left out", log)
            continue
        blocks.append(curve_chart(f"{title}: loss", "loss", losses))
        if evaluations:
            blocks.append(curve_chart(f"{title}: evaluations", "value", evaluations))
        columns = {
            "curve": [Cell(name) for name in losses],
            "first": [number(curve[0][1]) for curve in losses.values()],
            "last": [number(curve[-1][1]) for curve in losses.values()],
            "lowest": [number(min(value for _, value in curve)) for curve in losses.values()],
            "at step": [number(min(curve, key=lambda point: point[1])[0], ",.0f") for curve in losses.values()],
        }
        blocks.append(table(f"{title}: loss", columns))
    return Section("Training", "Losses and evaluations as they were logged.", blocks) if blocks else None


def read_log(path: Path) -> tuple[dict[str, Curve], dict[str, Curve]]:
    """The losses and the other evaluations of a JSONL log: name -> (step, value) of every number.

    A loss is what has "loss" in its name, an evaluation what begins with "eval_". Lines without a step are passed over,
    and the Trainer's means over a whole run ("train_...").

    Raises:
        UserError: a line is no JSON object.
    """
    losses: dict[str, Curve] = {}
    evaluations: dict[str, Curve] = {}
    for _, entry in read_objects(path):
        for name, value in entry.items():
            if not (_is_number(value) and _is_number(entry.get(STEP))) or name.startswith("train_"):
                continue
            if "loss" in name:
                losses.setdefault(name, []).append((entry[STEP], value))
            elif name.startswith("eval_") and not name.endswith(ASIDE):
                evaluations.setdefault(name.removeprefix("eval_"), []).append((entry[STEP], value))
    return losses, evaluations


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
