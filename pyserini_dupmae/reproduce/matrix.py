"""Entries that stand for many: ``matrix`` gives axes, and ``${axis}`` or ``${axis.key}`` stands for a value of one.

>>> entry = {"matrix": {"size": [1, {"n": 2}]}, "name": "run-${size}", "k": "${size}"}
>>> [row["k"] for row in expand(entry)]
[1, {'n': 2}]
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

from pyserini_dupmae.experiments.references import fill
from pyserini_dupmae.experiments.yaml_lines import LocatedDict

MATRIX = "matrix"


def expand(entry: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every combination of the axes of ``entry``, which is given back as it is when it has no matrix.

    References are filled in as `workflow.references` says. Raises `UnknownReferenceError`.
    """
    axes = entry.get(MATRIX)
    if axes is None:
        yield entry
        return
    body = _without_matrix(entry)
    for values in product(*axes.values()):
        yield fill(body, dict(zip(axes, values, strict=True)))


def _without_matrix(entry: dict[str, Any]) -> dict[str, Any]:
    body = LocatedDict((key, value) for key, value in entry.items() if key != MATRIX)
    body.__dict__.update(getattr(entry, "__dict__", {}))
    return body
