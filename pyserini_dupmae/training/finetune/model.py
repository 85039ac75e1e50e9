"""The model that is fine-tuned: texts to what Eq. 12 compares, without the logits of a batch."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from pyserini_dupmae.modeling.equations import sparsify
from pyserini_dupmae.modeling.linear import recomputed_alike
from pyserini_dupmae.modeling.model import DupMAEModel
from pyserini_dupmae.training.kernels import vocabulary_max_pool

Texts = dict[str, Tensor]
"""``input_ids`` and ``attention_mask``, both (B, L)."""


class Represented(NamedTuple):
    """Queries and documents as they are searched.

    ``query_cls`` (Q, d') and ``query_mu`` (Q, |V|), Eq. 10 and 7; ``doc_cls`` (D, d'), and the documents' ``token_ids``
    (D, k) and ``weights`` (D, k), Eq. 11. All float32 but the ids.
    """

    query_cls: Tensor
    query_mu: Tensor
    doc_cls: Tensor
    token_ids: Tensor
    weights: Tensor


class FinetuneModel(nn.Module):
    """A `DupMAEModel` as the training loop calls it: queries and documents of a batch in one forward pass."""

    def __init__(self, dupmae: DupMAEModel):
        super().__init__()
        self.dupmae = dupmae
        self.config = dupmae.config

    def forward(self, queries: Texts, documents: Texts) -> Represented:
        """Represent a batch of Q queries and D documents."""
        query_cls, query_mu = self.represent_queries(queries)
        doc_cls, doc_mu = self.represent(documents)
        return Represented(query_cls, query_mu, doc_cls, *sparsify(doc_mu, self.config.top_k))

    def represent_queries(self, texts: Texts) -> tuple[Tensor, Tensor]:
        """`represent`, with the entries of mu that a query keeps and 0 in the place of the others."""
        cls, mu = self.represent(texts, query=True)
        if self.config.query_top_k is None:
            return cls, mu
        token_ids, weights = sparsify(mu, self.config.query_top_k)
        return cls, torch.zeros_like(mu).scatter(1, token_ids, weights)

    def represent(self, texts: Texts, query: bool = False) -> tuple[Tensor, Tensor]:
        """The reduced [CLS] (B, d') and mu (B, |V|) of documents or queries, as `DupMAEModel.forward`, in float32.

        Of mu only what is positive counts, also with ``activation: none``: an index holds nothing else.
        """
        cls, mu = self.dupmae.pooled(texts["input_ids"], texts["attention_mask"], vocabulary_max_pool)
        return cls.float(), self.dupmae.weigh(mu.float(), texts["input_ids"], texts["attention_mask"], query).clamp_min(
            0
        )

    def gradient_checkpointing_enable(self, **kwargs: Any) -> None:
        """Recompute the encoder's layers in the backward pass (the Trainer calls this for --gradient_checkpointing)."""
        self.dupmae.gradient_checkpointing_enable(**recomputed_alike(kwargs))
