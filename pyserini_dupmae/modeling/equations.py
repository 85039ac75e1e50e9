"""DupMAE's representation as pure functions: Eq. 6-7 (pooling), 10 (reduction), 11 (sparsification), 12 (relevance).

These are the definitions, differentiable and without any trick; faster code elsewhere is tested against them.

>>> import torch
>>> logits = torch.tensor([[[9.0, 9.0, 9.0], [1.0, -2.0, 0.5], [0.0, 3.0, -1.0]]])   # (1, 3, 3); position 0 is [CLS]
>>> mu = max_pool(logits, torch.tensor([[False, True, True]]))
>>> mu
tensor([[1.0000, 3.0000, 0.5000]])
>>> token_ids, weights = sparsify(mu, 2)
>>> token_ids, weights
(tensor([[1, 0]]), tensor([[3., 1.]]))
>>> relevance(torch.ones(1, 2), mu, torch.ones(1, 2), token_ids, weights)             # 2 + (3*3 + 1*1)
tensor([[12.]])
"""

from __future__ import annotations

import torch
from torch import Tensor

ACTIVATIONS = ("relu", "log1p_relu", "none")


def reduce_cls(hidden_cls: Tensor, projection: Tensor) -> Tensor:
    """Eq. 10: h_X W^cls.

    ``hidden_cls`` (B, d) and ``projection`` (d', d), stored as ``nn.Linear`` does; returns (B, d').
    """
    return hidden_cls @ projection.T


def max_pool(logits: Tensor, ordinary: Tensor) -> Tensor:
    """Eq. 7: the maximum over ordinary tokens of each vocabulary entry.

    ``logits`` (B, L, |V|), ``ordinary`` (B, L) bool; returns (B, |V|), minus infinity for a text without ordinary
    tokens, which `activate` turns into an empty bag of words.
    """
    return logits.masked_fill(~ordinary.unsqueeze(-1), float("-inf")).amax(dim=1)


def activate(mu: Tensor, activation: str) -> Tensor:
    """Apply the model's ``activation`` (one of `ACTIVATIONS`) to pooled logits (B, |V|); -inf becomes 0."""
    if activation == "relu":
        return torch.relu(mu)
    if activation == "log1p_relu":
        return torch.log1p(torch.relu(mu))
    if activation == "none":
        return mu.masked_fill(mu == float("-inf"), 0.0)
    raise ValueError(f"unknown activation {activation!r}; choose one of {', '.join(ACTIVATIONS)}")


def sparsify(mu: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Eq. 11: the k largest entries of ``mu`` (B, |V|) as token ids (B, k) int64 and weights (B, k), largest first.

    A vocabulary smaller than k gives |V| columns.
    """
    weights, token_ids = mu.topk(min(k, mu.shape[-1]), dim=-1)
    return token_ids, weights


def relevance(
    query_cls: Tensor, query_mu: Tensor, doc_cls: Tensor, doc_token_ids: Tensor, doc_weights: Tensor
) -> Tensor:
    """Eq. 12 for every query and document: the inner product of [CLS] plus the sum over I_d of mu_q[i] mu_d[i].

    ``query_cls`` (Q, d'), ``query_mu`` (Q, |V|), ``doc_cls`` (D, d'), ``doc_token_ids`` and ``doc_weights`` (D, k);
    returns (Q, D).
    """
    matched = query_mu[:, doc_token_ids]  # (Q, D, k)
    return query_cls @ doc_cls.T + (matched * doc_weights).sum(dim=-1)
