"""Eq. 6-7 without the logits of a batch: the vocabulary is taken a block at a time and only its maximum is kept."""

from __future__ import annotations

import torch
from torch import Tensor

from pyserini_dupmae.modeling.linear import linear

# Measured on two CPU cores: 8 MB of float32 logits a block are fastest; a GPU wants larger matrix products.
CPU_BLOCK_LOGITS = 1 << 21
GPU_BLOCK_LOGITS = 1 << 27


def pooled_logits(hidden: Tensor, ordinary: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """The token-wise maximum of ``hidden @ weight.T + bias``, equal to pooling the full logits.

    ``hidden`` (B, L, d), ``ordinary`` (B, L) bool, ``weight`` (|V|, d), ``bias`` (|V|,); returns (B, |V|) in the
    dtype of ``hidden``, minus infinity in a row without ordinary tokens. No gradient flows through it.
    """
    counted = ordinary.any(dim=0)  # leaves out [CLS] and, where all texts are of one length, [SEP]
    hidden, ordinary = hidden[:, counted], ordinary[:, counted]
    batch, length, dim = hidden.shape
    vocab_size = weight.shape[0]
    if length == 0:
        return hidden.new_full((batch, vocab_size), float("-inf"))
    budget = CPU_BLOCK_LOGITS if hidden.device.type == "cpu" else GPU_BLOCK_LOGITS
    block = max(64, min(vocab_size, budget // (batch * length)))
    rows = _repeat_an_ordinary_token(hidden, ordinary).reshape(batch * length, dim)  # (B * L, d)
    pooled = hidden.new_empty(batch, vocab_size)
    for start in range(0, vocab_size, block):
        part = weight[start : start + block]
        torch.amax(linear(rows, part).view(batch, length, -1), dim=1, out=pooled[:, start : start + block])
    if bias is not None:
        pooled += bias  # the same for every position, so it commutes with the maximum
    return pooled.masked_fill_(~ordinary.any(dim=1, keepdim=True), float("-inf"))


def _repeat_an_ordinary_token(hidden: Tensor, ordinary: Tensor) -> Tensor:
    """``hidden`` with each position that does not count replaced by an ordinary token of its row.

    A maximum does not change when one of its arguments is repeated, so no mask has to be laid over the logits.
    """
    first = ordinary.int().argmax(dim=1)  # (B,)
    substitute = hidden[torch.arange(len(hidden), device=hidden.device), first]  # (B, d)
    return torch.where(ordinary.unsqueeze(-1), hidden, substitute.unsqueeze(1))
