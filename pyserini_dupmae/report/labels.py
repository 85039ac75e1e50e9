"""What to call a result, and which of several settings stands for its system."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pyserini_dupmae.evaluation.results import MODE_NAMES, OTHERS, ConditionResult
from pyserini_dupmae.report.blocks import Cell

SETTINGS = {"cls_dim": "d'", "top_k": "k", "bits": "bits", "query_terms": "query terms"}
WITHOUT = {"bits": "exact", "query_terms": "all"}
"""What it means that a bag of words has no value of a setting."""


class Systems:
    """Results sorted for display: by place (a collection with a topic set), as first met, means last,
    then by mode and model."""

    def __init__(self, results: Sequence[ConditionResult], folder: str = "."):
        means_last = sorted(results, key=lambda result: bool(result.mean_of))
        places = list(dict.fromkeys(map(place, means_last)))
        self.results = sorted(results, key=lambda r: (places.index(place(r)), ORDER.index(r.mode), r.model, _size(r)))
        self.places, self.folder = places, folder
        self._one_model = len({result.model for result in results if result.mode not in OTHERS}) == 1

    def label(self, result: ConditionResult) -> str:
        """The system's name: its mode, and its model where there are several."""
        if result.mode == "other":
            return result.model or result.condition
        name = MODE_NAMES[result.mode]
        return name if self._one_model or result.mode == "bm25" else f"{result.model}, {name}"

    def at(self, where: str) -> list[ConditionResult]:
        """All results of a place."""
        return [result for result in self.results if place(result) == where]

    def full(self, where: str) -> list[ConditionResult]:
        """The results of a place, each system at its largest settings only."""
        return list({self.label(result): result for result in self.at(where)}.values())  # the last, largest one stays

    def labels(self) -> list[str]:
        """Every system's name, in the order of `MODE_NAMES`."""
        ordered = sorted(self.results, key=lambda result: (ORDER.index(result.mode), result.model))
        return list(dict.fromkeys(map(self.label, ordered)))

    def names(self, results: Iterable[ConditionResult]) -> dict[str, list[Cell]]:
        """The first columns of a table with a row for each result: the system, and each setting that it has."""
        rows = list(results)
        columns = {"system": [Cell(self.label(result)) for result in rows]}
        for name, title in SETTINGS.items():
            columns[title] = [Cell(setting(result, name), getattr(result, name)) for result in rows]
        return columns


ORDER = list(MODE_NAMES)


def place(result: ConditionResult) -> str:
    """The collection and its topic set, as one name."""
    return f"{result.collection} {result.topics}".strip()


def setting(result: ConditionResult, name: str) -> str:
    """The value of one of `SETTINGS`, "" where the result has none."""
    value = getattr(result, name)
    if value is None and result.mode in ("sparse", "hybrid") and result.top_k is not None:
        return WITHOUT.get(name, "")
    return "" if value is None else str(value)


def metrics_of(results: Iterable[ConditionResult]) -> list[str]:
    """Every metric of ``results``, as first met."""
    return list(dict.fromkeys(metric for result in results for metric in result.metrics))


def _size(result: ConditionResult) -> tuple[float, ...]:
    values = (getattr(result, name) for name in SETTINGS)
    return tuple(float("inf") if value is None else value for value in values)
