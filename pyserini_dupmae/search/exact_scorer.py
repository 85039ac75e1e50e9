"""The exact parts of Eq. 12 from the forward store."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Generic, Protocol, TypeVar

import numpy as np

from pyserini_dupmae.modeling.identity import ModelIdentity
from pyserini_dupmae.modeling.query_encoder import EncodedQuery
from pyserini_dupmae.search.kernels import put_parts
from pyserini_dupmae.store import Piece
from pyserini_dupmae.store.docids import TakenDocIds
from pyserini_dupmae.util.errors import UserError


class Representations(Protocol):
    """What is read of a `ForwardStore`, or of what stands for one."""

    model: ModelIdentity
    top_k: int

    @property
    def folders(self) -> Sequence[object]:
        """Where it lies, for messages."""

    @property
    def docids(self) -> TakenDocIds:
        """Every docid, by row."""

    def pieces(self, rows: np.ndarray) -> Iterable[Piece]:
        """As `ForwardStore.pieces`."""

    def gather(
        self, rows: Sequence[int] | np.ndarray, top_k: int | None = None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """As `ForwardStore.gather`."""


StoreT = TypeVar("StoreT", bound=Representations)


class ExactScorer(Generic[StoreT]):
    """A `ranking.Scorer` over a forward store, with I_d the ``top_k`` largest weights of a document.

    Sums are taken in float64, one document at a time and in a fixed order.
    """

    def __init__(self, store: StoreT, top_k: int | None = None):
        self.store = store
        self.top_k = min(top_k or store.top_k, store.top_k)
        self.docids = store.docids

    def parts(self, query: EncodedQuery, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        vector, query_mu = query.cls.astype(np.float64), query.mu(self.store.model.vocab_size).astype(np.float64)
        cls, ot = np.empty(len(rows)), np.empty(len(rows))
        for piece in self.store.pieces(rows):
            put_parts(cls, ot, *piece, self.top_k, vector, query_mu)
        if not (finite := np.isfinite(cls) & np.isfinite(ot)).all():
            docid = self.docids[int(rows[int(np.argmin(finite))])]
            raise UserError(
                f"the numbers of the document {docid!r} in {self.store.folders[0]} are damaged; encode the collection "
                "again (search --verify reads all of it)"
            )
        return cls, ot
