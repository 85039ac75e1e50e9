"""What to call a result, and which of several settings stands for its system."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pyserini_dupmae.evaluation.results import ConditionResult

MODE_NAMES = {"bm25": "BM25", "cls": "[CLS]", "ot": "OT", "hybrid": "Eq. 12"}
"""In the order in which systems are shown."""


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
    """d', k and bits, as far as the result has them: "d' 384, k 260, 8 bits"."""
    given = [(result.cls_dim, "d' {}"), (result.top_k, "k {}"), (result.bits, "{} bits")]
    return ", ".join(text.format(value) for value, text in given if value is not None)


def metrics_of(results: Iterable[ConditionResult]) -> list[str]:
    """Every metric of ``results``, as first met."""
    return list(dict.fromkeys(metric for result in results for metric in result.metrics))


def _size(result: ConditionResult) -> tuple[float, ...]:
    values = (result.top_k, result.cls_dim, result.bits)
    return tuple(float("inf") if value is None else value for value in values)
