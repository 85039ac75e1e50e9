"""What came out against what is expected: [OK], [OKish] within the tolerance, [FAIL], [NEW] if nobody measured it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from pyserini_dupmae.reproduce.schema import STATISTICS, AnyCondition, Condition, Measured

DIGITS = 4
"""Scores are equal when they print alike."""

StatisticsFound = Mapping[str, int]
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

    def __str__(self) -> str:
        beside = "" if self.paper is None else f" (paper: {self.paper:g})"
        if self.status in (Status.OK, Status.NEW):
            return f"{f'[{self.status}]':8}{self.quantity} {_shown(self.got)}{beside}"
        return f"{f'[{self.status}]':8}{self.quantity} expected {_shown(self.expected)} got {_shown(self.got)}{beside}"


def check_statistics(
    condition: Condition, python: str, documents: int | None, found: StatisticsFound
) -> Iterator[Check]:
    """A check for each statistic of the index.

    ``documents`` is the published size of the collection, or None; ``python`` the version that runs, "3.11.7".
    """
    measured = condition.measured(python) or Measured()
    known = {"documents": documents, "dimension": condition.cls_dim}
    expected = measured.statistics.model_dump() | {name: value for name, value in known.items() if value is not None}
    for name in STATISTICS:
        wanted, got = expected[name], found[name]
        allowed = condition.allowed(python).statistics * (wanted or 0)
        yield Check(f"index {name}", _status(got, wanted, got == wanted, allowed), got, wanted)


def check_scores(condition: AnyCondition, python: str, found: ScoresFound) -> Iterator[Check]:
    """A check for each metric of each topic set."""
    measured = condition.measured(python) or Measured()
    for topics, metrics in condition.topics.items():
        for metric in metrics:
            got, wanted = found[topics][metric], measured.scores.get(topics, {}).get(metric)
            same = wanted is not None and round(got, DIGITS) == round(wanted, DIGITS)
            status = _status(got, wanted, same, condition.allowed(python).scores)
            yield Check(f"{topics} {metric}", status, got, wanted, condition.paper.get(topics, {}).get(metric))


def mean_scores(condition: AnyCondition, members: list[ScoresFound]) -> ScoresFound:
    """Metric by metric, the mean over other conditions."""
    return {
        topics: {metric: sum(one[topics][metric] for one in members) / len(members) for metric in metrics}
        for topics, metrics in condition.topics.items()
    }


def _status(got: float, wanted: float | None, same: bool, allowed: float) -> Status:
    if wanted is None:
        return Status.NEW
    if same:
        return Status.OK
    return Status.OKISH if abs(got - wanted) <= allowed else Status.FAIL


def _shown(value: float | None) -> str:
    return f"{value:.{DIGITS}f}" if isinstance(value, float) else str(value)
