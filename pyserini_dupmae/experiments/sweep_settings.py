"""What is varied: the settings of a sweep, one factor at a time or all combinations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from pyserini_dupmae.index.quantisation import Quantisation
from pyserini_dupmae.store import ForwardStore
from pyserini_dupmae.util.errors import UserError

FACTORS = {
    "hybrid": ("cls_dim", "top_k", "bits", "query_terms"),
    "dense": ("cls_dim",),
    "sparse": ("top_k", "bits", "query_terms"),
}
"""Mode -> what there is to vary in it."""


@dataclass(frozen=True)
class Setting:
    """One row of the table; what does not apply to the mode is None.

    Attributes:
        mode: ``"hybrid"``, ``"dense"`` or ``"sparse"``.
        cls_dim: dimensions of [CLS], d'.
        top_k: weights of a document, k.
        bits: bits of such a weight; 0: as the store has it.
        query_terms: entries of mu_q, the largest; 0: all positive ones.
    """

    mode: str
    cls_dim: int | None = None
    top_k: int | None = None
    bits: int | None = None
    query_terms: int | None = None

    @property
    def name(self) -> str:
        """The setting as a file name: ``hybrid-d384-k128-b8-t0``."""
        values = {"d": self.cls_dim, "k": self.top_k, "b": self.bits, "t": self.query_terms}
        return "-".join([self.mode, *(f"{letter}{value}" for letter, value in values.items() if value is not None)])


def grid(modes: Sequence[str], values: Mapping[str, Sequence[int]], full: bool) -> list[Setting]:
    """The settings to measure, each once.

    ``values`` gives each factor's values, the base first. By default one factor leaves its base at a time; ``full``
    takes every combination.

    >>> values = {"cls_dim": [384, 192], "top_k": [384], "bits": [8, 4], "query_terms": [0]}
    >>> [setting.name for setting in grid(["hybrid"], values, full=False)]
    ['hybrid-d384-k384-b8-t0', 'hybrid-d192-k384-b8-t0', 'hybrid-d384-k384-b4-t0']
    """
    settings = []
    for mode in modes:
        names = FACTORS[mode]
        if full:
            chosen = [dict(zip(names, row, strict=True)) for row in product(*(values[name] for name in names))]
        else:
            base = {name: values[name][0] for name in names}
            chosen = [{**base, name: value} for name in names for value in values[name]]
        settings += [Setting(mode, **one) for one in chosen]
    return list(dict.fromkeys(settings))


def default_values(store: ForwardStore) -> dict[str, list[int]]:
    """What is varied when the user does not say: d' and k of the store, half and a quarter of them, 8 and 4 bits, and
    all, 64 and 16 terms of a query."""
    halves = {"cls_dim": store.model.cls_dim, "top_k": store.top_k}
    values = {name: list(dict.fromkeys(max(1, most // part) for part in (1, 2, 4))) for name, most in halves.items()}
    return {**values, "bits": [8, 4], "query_terms": [0, 64, 16]}


def require_possible(values: Mapping[str, Sequence[int]], store: ForwardStore) -> None:
    """Raise `UserError` for a d', k or number of bits that cannot be had from ``store``."""
    for cls_dim in values["cls_dim"]:
        if cls_dim > store.model.cls_dim:
            raise UserError(f"--cls-dim {cls_dim}: the model has {store.model.cls_dim} dimensions; give at most these")
    for top_k in values["top_k"]:
        if top_k > store.top_k:
            raise UserError(f"--top-k {top_k}: the store keeps {store.top_k} weights a document; give at most these")
    for bits in filter(None, values["bits"]):
        Quantisation.of(store.max_weight, bits)
