"""Numbers that others have published (``published.yaml``), by collection: they stand beside what is measured here."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import yaml

Scores = dict[str, dict[str, float]]
"""system -> metric -> value."""

FILE = Path(__file__).parent / "published.yaml"
MSMARCO = ("msmarco-v1-passage", "msmarco-v1-passage-title")
MEASURED_HERE_TOO = {
    "BM25": "BM25 (paper)",
    "DupMAE": "DupMAE (paper)",
    "DupMAE-stage2": "DupMAE stage 2 (paper)",
    "DupMAE-stage3": "DupMAE stage 3 (paper)",
}
"""Systems that a report may hold its own numbers of: it has to tell the published ones from these."""


@cache
def tables() -> dict[str, Any]:
    """The paper's tables as `FILE` has them; do not change what is returned."""
    found: dict[str, Any] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return found


def published(collection: str, topics: str) -> Scores:
    """What is published for a topic set of a collection; ``{}`` for nothing.

    Args:
        collection: as the shipped conditions call it, ``"beir"`` for the mean of the 18 sets.
        topics: as they call the topic set.

    Returns:
        System -> metric -> value. The systems are named as in a report.

    >>> published("beir-nq", "test")["RetroMAE"]
    {'nDCG@10': 0.518}
    """
    if collection in MSMARCO:
        found = {system: of_sets[topics] for system, of_sets in tables()["table1"].items() if topics in of_sets}
    else:
        name = "average" if collection == "beir" else collection.removeprefix("beir-")
        row = tables()["table2"].get(name, {}) if collection.startswith("beir") and topics == "test" else {}
        found = {system: {"nDCG@10": value} for system, value in row.items()}
    return {MEASURED_HERE_TOO.get(system, system): dict(values) for system, values in found.items()}
