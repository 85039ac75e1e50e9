"""What every engine returns, and how documents are ranked by their exact parts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from pyserini_dupmae.modeling.query_encoder import EncodedQuery
from pyserini_dupmae.util.errors import UserError


class Scorer(Protocol):
    """The exact parts of documents that are known by row. It is called from several threads at once.

    A value depends on the query and its row, never on the other rows of the call.
    """

    @property
    def docids(self) -> Sequence[str]:
        """Every docid, by row."""

    def parts(self, query: EncodedQuery, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """ĥ_q·ĥ_d, and the sum over I_d of mu_q[i] mu_d[i], for ``rows`` (n,): (n,) float64 each."""


@dataclass(frozen=True)
class Ranking:
    """The best documents of one query, best first: arrays (m,), m at most the hits asked for.

    ``rows`` int64; ``scores``, ``cls_scores``, ``ot_scores`` float32; ``bound``: what a document that was not looked at
    scores at most, infinity when an engine cannot tell; ``proved``: no such document belongs among those that were to
    be certified; ``depth``: how long the lists were, or the size of the collection after a scan of it.
    """

    rows: np.ndarray
    scores: np.ndarray
    cls_scores: np.ndarray
    ot_scores: np.ndarray
    bound: float
    proved: bool
    depth: int


@dataclass(frozen=True)
class Limits:
    """What to return and what to prove: ``hits``, ``certify`` of them from the top, lists of at most ``max_depth``.

    Raises:
        UserError: a value is below 1, more is to be certified than returned, or max_depth is below hits.
    """

    hits: int
    certify: int
    max_depth: int | None = None

    def __post_init__(self) -> None:
        for name, value in (("hits", self.hits), ("certify", self.certify)):
            if value < 1:
                raise UserError(f"{name} must be at least 1, got {value}")
        if self.certify > self.hits:
            raise UserError(
                f"certify ({self.certify}) cannot exceed hits ({self.hits}), the number of documents returned"
            )
        if self.max_depth is not None and self.max_depth < self.hits:
            raise UserError(f"max_depth ({self.max_depth}) must be at least hits ({self.hits})")


class Ranker(Protocol):
    """What ranks the documents of a collection for encoded queries; `Fusion` is one."""

    def search(
        self,
        queries: Sequence[EncodedQuery],
        hits: int,
        certify: int | None = None,
        max_depth: int | None = None,
        threads: int = 1,
    ) -> list[Ranking]:
        """The ranking of each query; see `Fusion.search`."""


def rank(
    rows: np.ndarray,
    cls: np.ndarray,
    ot: np.ndarray,
    bound: float,
    depth: int,
    limits: Limits,
    docids: Sequence[str],
    *,
    dense: bool,
    sparse: bool,
) -> Ranking:
    """The ranking of the documents ``rows`` (n,) by their exact parts ``cls`` and ``ot``, (n,) float64 each.

    Args:
        bound, depth: what a document that is not among them scores at most, and how deep the search went.
        docids: the docid of every row, which breaks ties.
        dense, sparse: which parts count. Without the dense one a document without a common token is no hit.
    """
    if not dense:
        rows, cls, ot = rows[ot > 0], cls[ot > 0], ot[ot > 0]
    total = (cls if dense else 0) + (ot if sparse else 0)
    scores = np.asarray(total, np.float32)
    best = _best(rows, scores, limits.hits, docids)
    certified = scores[best[limits.certify - 1]] if len(best) >= limits.certify else -math.inf
    return Ranking(
        rows=rows[best],
        scores=scores[best],
        cls_scores=cls[best].astype(np.float32),
        ot_scores=ot[best].astype(np.float32),
        bound=bound,
        # Rounding is monotonic, so the score of a document below the bound cannot be above the rounded bound.
        proved=bound == -math.inf or bool(certified > np.float32(bound)),
        depth=depth,
    )


def _best(rows: np.ndarray, scores: np.ndarray, hits: int, docids: Sequence[str]) -> np.ndarray:
    """The positions of the ``hits`` largest scores, largest first, equal ones by docid."""
    candidates = np.arange(len(scores))
    if len(scores) > hits:
        candidates = np.flatnonzero(scores >= np.partition(scores, -hits)[-hits])
    order = candidates[np.argsort(-scores[candidates], kind="stable")]
    same = np.diff(scores[order]) == 0
    if same.any():
        tied = np.flatnonzero(np.append(same, False) | np.append(False, same))  # rising, each group together
        by_docid = sorted(order[tied].tolist(), key=lambda i: (-scores[i], docids[int(rows[i])]))
        order[tied] = by_docid
    return order[:hits]
