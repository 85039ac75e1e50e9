"""Eq. 6-7 without the logits of a batch: which tokens count, and their maximum, a block of the vocabulary at a time."""

from __future__ import annotations

import torch
from torch import Tensor

from pyserini_dupmae.modeling.linear import linear

# Logits held at a time, measured: on two CPU cores 8 MB of float32 a block are fastest, but where a weight's gradient
# is added up block by block, that dominates below 64 MB; a GPU wants larger matrix products.
CPU_BLOCK_LOGITS = 1 << 21
CPU_BLOCK_LOGITS_WITH_GRADIENT = 1 << 24
GPU_BLOCK_LOGITS = 1 << 27


def ordinary_tokens(input_ids: Tensor, attention_mask: Tensor, special: tuple[int, ...]) -> Tensor:
    """Which positions of texts (B, L) hold none of the ids ``special`` and no padding: (B, L) bool."""
    ordinary = attention_mask.bool()
    for token_id in special:
        ordinary = ordinary & (input_ids != token_id)
    return ordinary


def ordinary_positions(attention_mask: Tensor) -> Tensor:
    """Which positions of ``[CLS] x1..xN [SEP] [PAD]..`` are x1..xN: (B, L) bool, from the attention mask (B, L).

    Unlike `ordinary_tokens` it counts an x that is itself a special token, as in a text that quotes one.
    """
    real = attention_mask.bool()
    ordinary = torch.zeros_like(real)
    ordinary[:, 1:-1] = real[:, 2:]  # neither the first nor the last real position
    return ordinary


def block_size(other: int, device: torch.device, with_gradient: bool) -> int:
    """How many rows (or columns) of a matrix whose other side is ``other`` make one block; at least 1."""
    on_cpu = CPU_BLOCK_LOGITS_WITH_GRADIENT if with_gradient else CPU_BLOCK_LOGITS
    budget = on_cpu if device.type == "cpu" else GPU_BLOCK_LOGITS
    return max(1, budget // max(1, other))


def compute_dtype(tensor: Tensor) -> torch.dtype:
    """The dtype of a matrix product with ``tensor``: autocast's where it is on, else the tensor's own."""
    kind = tensor.device.type
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else tensor.dtype


def pooled_logits(hidden: Tensor, ordinary: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """The token-wise maximum of ``hidden @ weight.T + bias``, equal to pooling the full logits.

    The vocabulary is taken a block at a time and only its maximum is kept. No gradient flows through it:
    `pyserini_dupmae.training.kernels.vocabulary_max_pool` is the same with gradients.

    ``hidden`` (B, L, d), ``ordinary`` (B, L) bool, ``weight`` (|V|, d), ``bias`` (|V|,); returns (B, |V|) in the
    dtype of ``hidden``, minus infinity in a row without ordinary tokens.
    """
    counted = ordinary.any(dim=0)  # leaves out [CLS] and, where all texts are of one length, [SEP]
    hidden, ordinary = hidden[:, counted], ordinary[:, counted]
    batch, length, dim = hidden.shape
    vocab_size = weight.shape[0]
    if length == 0:
        return hidden.new_full((batch, vocab_size), float("-inf"))
    block = max(64, min(vocab_size, block_size(batch * length, hidden.device, with_gradient=False)))
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
