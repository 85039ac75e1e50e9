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
>>> hidden = torch.tensor([[[3.0, 0.0], [0.0, 8.0], [7.0, 7.0]]])                     # (1, 3, 2); position 2 is padding
>>> mean = pool_tokens(hidden, torch.tensor([[1, 1, 0]]), "mean")
>>> mean
tensor([[1.5000, 4.0000]])
>>> by_sum(torch.tensor([[3.0, 1.0, 0.0]]), torch.tensor(2.0), torch.tensor(0.5))     # 2 * weight / sqrt(4)
tensor([[3., 1., 0.]])
>>> scaled_unit(mean, torch.tensor(20.0)).square().sum()                              # |v|^2 of each side is the scale
tensor(20.)
"""

from __future__ import annotations

import torch
from torch import Tensor

from pyserini_dupmae.modeling.choices import ACTIVATIONS, POOLINGS


def pool_tokens(hidden: Tensor, attention_mask: Tensor, pooling: str) -> Tensor:
    """What Eq. 10 reduces, of hidden states (B, L, d): (B, d).

    ``"cls"`` is the paper's, the hidden state of [CLS]. ``"mean"`` is the mean over the text's tokens, special tokens
    among them, as sentence-transformers takes it; ``attention_mask`` (B, L) is 0 at padding, which does not count.
    """
    if pooling == "cls":
        return hidden[:, 0]
    if pooling == "mean":
        real = attention_mask.bool().unsqueeze(-1)  # (B, L, 1)
        wide = hidden.to(torch.promote_types(hidden.dtype, torch.float32)).masked_fill(~real, 0.0)
        return (wide.sum(dim=1) / real.sum(dim=1)).to(hidden.dtype)
    raise ValueError(f"unknown pooling {pooling!r}; choose one of {', '.join(POOLINGS)}")


def reduce_cls(pooled: Tensor, projection: Tensor) -> Tensor:
    """Eq. 10: h_X W^cls.

    ``pooled`` (B, d), and ``projection`` (d', d) as ``nn.Linear`` stores it; returns (B, d').
    """
    return pooled @ projection.T


def scaled_unit(dense: Tensor, scale: Tensor) -> Tensor:
    """``dense`` (B, d') with each row brought to the length sqrt(``scale``), in float32 or wider.

    Queries and documents alike are given half of the scale, so the inner product of two of them, which is all that a
    FAISS index computes, is scale * cos.
    """
    wide = dense.to(torch.promote_types(dense.dtype, torch.float32))
    return torch.nn.functional.normalize(wide, dim=-1) * scale.to(wide.dtype).sqrt()


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


def by_sum(weights: Tensor, scale: Tensor, power: Tensor) -> Tensor:
    """``scale`` * ``weights`` (B, |V|) / (each row's sum) ** ``power``, in float32 or wider; none is negative.

    A text with twice the words has about twice the sum, and without this a long query's bag of words drowns its dense
    part, and a long document's matches count as much as a short one's. ``power`` 0 changes nothing, with 1 only the
    shares of the words count. A row of zeros stays one.
    """
    wide = weights.to(torch.promote_types(weights.dtype, torch.float32))
    total = wide.sum(dim=1, keepdim=True).clamp_min(torch.finfo(wide.dtype).tiny)
    return wide * (scale.to(wide.dtype) * total.pow(-power.to(wide.dtype)))


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
