"""What to call a result, and which of several settings stands for its system."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pyserini_dupmae.evaluation.results import ConditionResult

MODE_NAMES = {"bm25": "BM25", "dense": "[CLS]", "sparse": "OT", "hybrid": "Eq. 12"}
"""In the order in which systems are shown."""

SETTINGS = {"top_k": "k {}", "cls_dim": "d' {}", "bits": "{} bits", "query_terms": "{} query terms"}
WITHOUT = {"bits": "exact weights", "query_terms": "all query terms"}
"""What a setting means that a record does not have."""


class Systems:
    """Results sorted for display: by place (a collection with a topic set), as first met, means last,
    then by mode and model."""

    def __init__(self, results: Sequence[ConditionResult]):
        order = list(MODE_NAMES)
        means_last = sorted(results, key=lambda result: bool(result.mean_of))
        places = list(dict.fromkeys(map(place, means_last)))
        self.results = sorted(results, key=lambda r: (places.index(place(r)), order.index(r.mode), r.model, _size(r)))
        self.places = places
        self._one_model = len({result.model for result in results if result.mode != "bm25"}) == 1

    def label(self, result: ConditionResult) -> str:
        """The system's name: its mode, and its model where there are several."""
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
        order = list(MODE_NAMES)
        ordered = sorted(self.results, key=lambda result: (order.index(result.mode), result.model))
        return list(dict.fromkeys(map(self.label, ordered)))


def place(result: ConditionResult) -> str:
    """The collection and its topic set, as one name."""
    return f"{result.collection} {result.topics}".strip()


def settings(result: ConditionResult) -> str:
    """The settings that the result has: "k 260, d' 384, 8 bits"."""
    return ", ".join(setting(result, name) for name in SETTINGS if getattr(result, name) is not None)


def setting(result: ConditionResult, name: str) -> str:
    """One of `SETTINGS` in words: "k 260", "exact weights"."""
    value = getattr(result, name)
    return SETTINGS[name].format(value) if value is not None else WITHOUT.get(name, "")


def metrics_of(results: Iterable[ConditionResult]) -> list[str]:
    """Every metric of ``results``, as first met."""
    return list(dict.fromkeys(metric for result in results for metric in result.metrics))


def _size(result: ConditionResult) -> tuple[float, ...]:
    values = (getattr(result, name) for name in SETTINGS)
    return tuple(float("inf") if value is None else value for value in values)
