"""The scores of a batch (Eq. 12), and the loss of a step from them: which losses a stage has, and their weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from pyserini_dupmae.training.finetune.losses import DISTILLATION, SPARSITY, contrastive, cosine_distance
from pyserini_dupmae.training.finetune.model import Represented
from pyserini_dupmae.training.finetune.settings import FinetuneSettings


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


@dataclass
class Targets:
    """What a step's scores are held against. Documents are query by query, each group's positive first: D = Q x G.

    ``excluded`` (Q, D) bool: documents known to be relevant to a query, apart from its positive. ``teacher`` (Q, G):
    stage 3's scores. ``embeddings`` (Q + D, d'): the embedding teacher's, queries first.
    """

    excluded: Tensor
    teacher: Tensor | None = None
    embeddings: Tensor | None = None


class Objective:
    """The loss of one stage: weighted losses of [CLS], of the bag of words and of their sum, and regularisers."""

    def __init__(self, stage: int, settings: FinetuneSettings):
        self.stage = stage
        self.settings = settings

    def __call__(self, batch: Represented, targets: Targets) -> dict[str, Tensor]:
        """The parts of the loss, already weighted: they add up to it. Keys depend on stage and settings alone."""
        settings = self.settings
        scores = score(batch)
        parts = {"sum": settings.sum_weight * self._ranking(scores.sum, targets)}
        if settings.cls_weight:
            parts["cls"] = settings.cls_weight * self._ranking(scores.cls, targets)
        if settings.ot_weight:
            parts["ot"] = settings.ot_weight * self._ranking(scores.ot, targets)
        if settings.sparsity != "none":
            penalty = SPARSITY[settings.sparsity]
            parts["query_sparsity"] = settings.query_sparsity * penalty(batch.query_mu)
            parts["doc_sparsity"] = settings.doc_sparsity * penalty(document_bags(batch))
        if targets.embeddings is not None:
            embedded = torch.cat([batch.query_cls, batch.doc_cls])
            parts["embedding"] = settings.embedding_weight * cosine_distance(embedded, targets.embeddings)
        return parts

    def _ranking(self, scores: Tensor, targets: Targets) -> Tensor:
        """The stage's loss of scores (Q, D)."""
        settings = self.settings
        scores = scores / settings.temperature
        queries, documents = scores.shape
        group = documents // queries
        first = torch.arange(queries, device=scores.device) * group
        if self.stage < 3:
            return contrastive(scores, first, targets.excluded)
        assert targets.teacher is not None, "stage 3 has the teacher's scores"
        own = scores.gather(1, first[:, None] + torch.arange(group, device=scores.device))  # (Q, G)
        loss = DISTILLATION[settings.distillation](own, targets.teacher / settings.teacher_temperature)
        if settings.contrastive_weight:
            loss = loss + settings.contrastive_weight * contrastive(scores, first, targets.excluded)
        return loss
