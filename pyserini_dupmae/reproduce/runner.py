"""Running conditions: their steps in order, then the checks, then what is left behind for others to read."""

from __future__ import annotations

import json
import platform
import sys
from collections import defaultdict
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pyserini_dupmae.evaluation.measures import Values, mean
from pyserini_dupmae.evaluation.results import SUFFIX, ConditionResult, IndexStatistics
from pyserini_dupmae.experiments.provenance import environment
from pyserini_dupmae.experiments.steps import Outcome, StepError, run
from pyserini_dupmae.index.info import IndexInfo
from pyserini_dupmae.reproduce.catalogue import Catalogue
from pyserini_dupmae.reproduce.checks import Check, ScoresFound, Status, check_scores, check_statistics, mean_scores
from pyserini_dupmae.reproduce.plan import Plan, Workplace, plan
from pyserini_dupmae.reproduce.schema import AnyCondition, Condition, MeanCondition
from pyserini_dupmae.util.digests import combined
from pyserini_dupmae.util.files import write_json

PYTHON = platform.python_version()
SEARCHED = {"hybrid": ("faiss", "lucene"), "dense": ("faiss",), "sparse": ("lucene",)}
"""The search command's modes -> the indexes that are searched."""


@dataclass
class Finished:
    """What became of a condition: its checks and ``mode`` (of the results), or the ``error`` that kept it from them."""

    condition: AnyCondition
    checks: list[Check] = field(default_factory=list)
    scores: ScoresFound = field(default_factory=dict)
    mode: str = ""
    error: str | None = None

    @property
    def failed(self) -> bool:
        return self.error is not None or any(check.status is Status.FAIL for check in self.checks)


class Runner:
    """Runs conditions of a catalogue at a workplace, each at most once; prints what it does and finds."""

    def __init__(self, catalogue: Catalogue, place: Workplace):
        self.catalogue, self.place = catalogue, place
        self._finished: dict[str, Finished] = {}

    def run(self, condition: AnyCondition) -> Finished:
        """Run a condition, and those whose mean it is before it. A failure is in what is returned, not raised."""
        if condition.name not in self._finished:
            work = self._mean if isinstance(condition, MeanCondition) else self._single
            self._finished[condition.name] = work(condition)
        return self._finished[condition.name]

    def _single(self, condition: Condition) -> Finished:
        print(f"{condition.name}: {condition.description}", flush=True)
        planned = plan(condition, self.catalogue, self.place)
        finished, outcomes = Finished(condition), []
        try:
            for step in planned.steps:
                outcomes.append(run(step))
                print(f"  {outcomes[-1]}", flush=True)
            self._check(planned, finished)
        except StepError as error:
            finished.error = str(error)
        self._report(finished)
        self._write_provenance(planned, finished, outcomes)
        return finished

    def _check(self, planned: Plan, finished: Finished) -> None:
        condition = planned.condition
        statistics = json.loads(planned.statistics.read_text(encoding="utf-8"))
        values = {topics: _values(path) for topics, path in planned.scores.items()}
        finished.scores = {
            topics: {metric: mean(of_metric) for metric, of_metric in found.items()} for topics, found in values.items()
        }
        finished.checks = [
            *check_statistics(condition, PYTHON, planned.collection.documents, statistics),
            *check_scores(condition, PYTHON, finished.scores),
        ]
        mode = condition.search.mode
        finished.mode = mode
        lucene = IndexInfo.read(planned.index / "lucene")
        files = [file for name in SEARCHED[mode] for file in (planned.index / name).iterdir()]
        size = sum(file.stat().st_size for file in files)
        postings = statistics["postings"] if "lucene" in SEARCHED[mode] else None
        for topics, of_topics in values.items():
            self._write_result(
                finished,
                topics,
                collection=condition.collection,
                model=condition.model,
                per_query=of_topics,
                cls_dim=lucene.model.cls_dim,
                top_k=lucene.top_k,
                bits=lucene.bits,
                index=IndexStatistics(lucene.documents, size, postings),
            )

    def _mean(self, condition: MeanCondition) -> Finished:
        members = [self.run(member) for member in self.catalogue.members(condition)]
        print(f"{condition.name}: {condition.description}", flush=True)
        finished = Finished(condition)
        if missing := [member.condition.name for member in members if member.error is not None]:
            finished.error = f"no mean without {', '.join(missing)}"
        else:
            finished.scores = mean_scores(condition, [member.scores for member in members])
            finished.checks = list(check_scores(condition, PYTHON, finished.scores))
            names = tuple(member.condition.name for member in members)
            finished.mode = members[0].mode
            for topics in condition.topics:
                self._write_result(finished, topics, collection=condition.name, mean_of=names)
        self._report(finished)
        return finished

    def _report(self, finished: Finished) -> None:
        for check in finished.checks:
            print(f"  {check}")
        if finished.error is not None:
            print(f"  [{Status.FAIL}]  {finished.error}")
        sys.stdout.flush()

    def _write_result(self, finished: Finished, topics: str, **facts: Any) -> None:
        condition = finished.condition
        measured = condition.measured(PYTHON)
        ConditionResult(
            condition=condition.name,
            topics=topics,
            mode=finished.mode,
            metrics=dict(finished.scores[topics]),
            paper=condition.paper.get(topics, {}),
            expected=measured.scores.get(topics, {}) if measured else {},
            **facts,
        ).write(self.place.output / "results" / f"{condition.name}.{topics}{SUFFIX}")

    def _write_provenance(self, planned: Plan, finished: Finished, outcomes: list[Outcome]) -> None:
        condition, here = planned.condition, environment()
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
                    "sha256_output": combined(record.output),
                    **elsewhere,
                }
            )
        write_json(
            self.place.condition(condition.name) / "provenance.json",
            {
                "condition": condition.model_dump(),
                "collection": planned.collection.model_dump(),
                "seed": self.catalogue.models[condition.model].seed,
                "command": sys.orig_argv,
                "environment": here,
                "steps": steps,
                "wall_time_seconds": round(sum(outcome.record.seconds for outcome in outcomes), 3),
                "checks": [asdict(check) for check in finished.checks],
                "error": finished.error,
            },
        )


def _values(path: Path) -> Values:
    """The evaluate command's values by metric and query."""
    values: Values = defaultdict(dict)
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        values[row["metric"]][row["qid"]] = row["value"]
    return dict(values)
