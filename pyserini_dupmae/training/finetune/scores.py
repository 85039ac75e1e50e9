"""Eq. 12 between all queries and documents of a batch, differentiable, its two parts apart."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from pyserini_dupmae.training.finetune.model import Represented


class Scores(NamedTuple):
    """``cls`` and ``ot`` (Q, D): the two inner products of Eq. 12."""

    cls: Tensor
    ot: Tensor

    @property
    def sum(self) -> Tensor:
        """Eq. 12: (Q, D)."""
        return self.cls + self.ot


def score(batch: Represented) -> Scores:
    """The scores of every query for every document, as `pyserini_dupmae.modeling.equations.relevance` defines them."""
    return Scores(batch.query_cls @ batch.doc_cls.T, batch.query_mu @ document_bags(batch).T)


def document_bags(batch: Represented) -> Tensor:
    """The documents' top-k weights as rows of the vocabulary: (D, |V|)."""
    empty = batch.weights.new_zeros(len(batch.weights), batch.query_mu.shape[1])
    return empty.scatter(1, batch.token_ids, batch.weights)
