"""The loss of a step: the sum and each part of Eq. 12 follow the pair over all passages of the batch."""

from __future__ import annotations

from torch import Tensor

from pyserini_dupmae.training.finetune.losses import cosine_distance, excess, list_divergence
from pyserini_dupmae.training.pair.settings import PairSettings


def pair_loss(
    query_cls: Tensor,
    query_mu: Tensor,
    doc_cls: Tensor,
    doc_mu: Tensor,
    teacher: Tensor,
    query_vectors: Tensor,
    doc_vectors: Tensor,
    settings: PairSettings,
) -> dict[str, Tensor]:
    """The parts of the loss, already weighted: they add up to it.

    ``query_cls`` (Q, d') and ``doc_cls`` (D, d') are the dense vectors, ``query_mu`` (Q, |V|) and ``doc_mu`` (D, |V|)
    the bags of words, ``teacher`` (Q, D) the pair's scores, ``*_vectors`` the bi-encoder's embeddings.
    """
    wanted = teacher / settings.teacher_temperature
    cls, ot = query_cls @ doc_cls.T, query_mu @ doc_mu.T  # (Q, D) each
    embedding = cosine_distance(query_cls, query_vectors) + cosine_distance(doc_cls, doc_vectors)
    beyond = 2 * excess(query_mu, settings.query_terms) + excess(doc_mu, settings.doc_terms)
    return {
        "sum": list_divergence(cls + ot, wanted),
        "cls": settings.cls_weight * list_divergence(cls, wanted),
        "ot": settings.ot_weight * list_divergence(ot, wanted),
        "embedding": settings.embedding_weight * embedding,
        "excess": settings.excess_weight * beyond,
    }
