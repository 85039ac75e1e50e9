"""What came out against what is expected: [OK], [OKish] within the tolerance, [FAIL], [NEW] if nobody measured it."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import nan

from pyserini_dupmae.experiments.schema import STATISTICS, AnyCondition, Condition, Expectation, Measured

DIGITS = 4
"""Scores are equal when they print alike."""

PYTHON = platform.python_version()

ScoresFound = Mapping[str, Mapping[str, float]]
"""topic set -> metric -> value."""


class Status(StrEnum):
    """How a number compares."""

    OK = "OK"
    OKISH = "OKish"
    FAIL = "FAIL"
    NEW = "NEW"


@dataclass(frozen=True)
class Check:
    """One number; ``expected`` is None when nobody measured it, ``paper`` when the paper does not have it."""

    quantity: str
    status: Status
    got: float
    expected: float | None = None
    paper: float | None = None

    @property
    def failed(self) -> bool:
        """Whether it is not what is expected."""
        return self.status is Status.FAIL

    def __str__(self) -> str:
        beside = "" if self.paper is None else f" (paper: {self.paper:g})"
        if self.status in (Status.OK, Status.NEW):
            return f"{f'[{self.status}]':8}{self.quantity} {_shown(self.got)}{beside}"
        return f"{f'[{self.status}]':8}{self.quantity} expected {_shown(self.expected)} got {_shown(self.got)}{beside}"


def check_statistics(
    condition: Condition, documents: int | None, found: Mapping[str, int], python: str = PYTHON
) -> Iterator[Check]:
    """A check for each statistic of the index.

    Args:
        documents: the published size of the collection, or None.
        python: the version that expected numbers are looked up for, ``"3.11.7"``.
    """
    measured = condition.measured(python) or Measured()
    known = {"documents": documents, "dimension": condition.cls_dim}
    expected = measured.statistics.model_dump() | {name: value for name, value in known.items() if value is not None}
    for name in STATISTICS:
        wanted, got = expected[name], found[name]
        allowed = condition.allowed(python).statistics * (wanted or 0)
        yield Check(f"index {name}", _status(got, wanted, got == wanted, allowed), got, wanted)


def check_scores(condition: AnyCondition, found: ScoresFound, python: str = PYTHON) -> Iterator[Check]:
    """A check for each metric of each topic set."""
    for topics, metrics in condition.topics.items():
        yield from _check_metrics(condition, topics, metrics, found, condition.paper.get(topics, {}), python)


def check_expected(expectation: Expectation, found: ScoresFound, python: str = PYTHON) -> Iterator[Check]:
    """A check for each score that is expected; what was not measured is no number, and fails."""
    measured = expectation.measured(python) or Measured()
    for name, metrics in measured.scores.items():
        got = {name: {metric: found.get(name, {}).get(metric, nan) for metric in metrics}}
        yield from _check_metrics(expectation, name, [*metrics], got, {}, python)


def mean_scores(condition: AnyCondition, members: Sequence[ScoresFound]) -> dict[str, dict[str, float]]:
    """Metric by metric, the mean over other conditions."""
    return {
        topics: {metric: sum(one[topics][metric] for one in members) / len(members) for metric in metrics}
        for topics, metrics in condition.topics.items()
    }


def _check_metrics(
    expectation: Expectation,
    name: str,
    metrics: Sequence[str],
    found: ScoresFound,
    paper: Mapping[str, float],
    python: str,
) -> Iterator[Check]:
    measured = expectation.measured(python) or Measured()
    for metric in metrics:
        got, wanted = found[name][metric], measured.scores.get(name, {}).get(metric)
        same = wanted is not None and round(got, DIGITS) == round(wanted, DIGITS)
        status = _status(got, wanted, same, expectation.allowed(python).scores)
        yield Check(f"{name} {metric}", status, got, wanted, paper.get(metric))


def _status(got: float, wanted: float | None, same: bool, allowed: float) -> Status:
    if wanted is None:
        return Status.NEW
    if same:
        return Status.OK
    return Status.OKISH if abs(got - wanted) <= allowed else Status.FAIL


def _shown(value: float | None) -> str:
    return f"{value:.{DIGITS}f}" if isinstance(value, float) else str(value)
