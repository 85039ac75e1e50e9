"""Eq. 6-7 with gradients: the token-wise maximum in vocabulary space, without the logits of a batch."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from pyserini_dupmae.modeling.linear import linear
from pyserini_dupmae.modeling.vocabulary import block_size, compute_dtype


def vocabulary_max_pool(hidden: Tensor, ordinary: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """mu before its activation: the maximum over ordinary tokens of ``hidden @ weight.T + bias``.

    Equal to `pyserini_dupmae.modeling.equations.max_pool` of the logits, values and gradients (a tie goes to the first
    token). The vocabulary is taken a block at a time, only tokens that count are projected, and the backward pass
    touches one token for each non-zero entry of mu's gradient: its cost does not grow with the length of the texts.

    ``hidden`` (B, L, d), ``ordinary`` (B, L) bool, ``weight`` (|V|, d), ``bias`` (|V|,); returns (B, |V|) in the
    dtype of ``hidden``, minus infinity in a row without ordinary tokens.
    """
    counts = ordinary.sum(dim=1).tolist()
    pooled = _VocabularyMaxPool.apply(hidden[ordinary], weight, counts)
    pooled = pooled if bias is None else pooled + bias  # the same for every token, so it commutes with the maximum
    return pooled.to(hidden.dtype)


class _VocabularyMaxPool(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, tokens: Tensor, weight: Tensor, counts: list[int]) -> Tensor:
        """``tokens`` (N, d): the texts' ordinary tokens one after the other, ``counts[b]`` of text b."""
        dtype = compute_dtype(tokens)
        with torch.autocast(tokens.device.type, enabled=False):
            rows, matrix = tokens.to(dtype), weight.to(dtype)
            pooled = tokens.new_full((len(counts), len(matrix)), float("-inf"), dtype=dtype)
            best = torch.zeros_like(pooled, dtype=torch.int32)  # row of ``tokens`` that holds the maximum
            size = block_size(len(rows), rows.device, with_gradient=True)
            for start in range(0, len(matrix), size):
                logits = linear(rows, matrix[start : start + size])  # (N, size)
                first = 0
                for text, count in enumerate(counts):
                    if count:
                        top = logits[first : first + count].max(dim=0)
                        pooled[text, start : start + size] = top.values
                        best[text, start : start + size] = top.indices + first
                    first += count
        ctx.save_for_backward(tokens, weight, best)
        return pooled

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        tokens, weight, best = ctx.saved_tensors
        entry, text = upstream.T.nonzero(as_tuple=True)  # sorted by vocabulary entry
        wide = torch.promote_types(upstream.dtype, torch.float32)
        value = upstream[text, entry].to(wide)
        row = best[text, entry].long()
        by_row = row.argsort(stable=True)
        to_tokens = _weighted_sums(weight, entry[by_row], value[by_row], row[by_row], len(tokens))
        to_weight = _weighted_sums(tokens, row, value, entry, len(weight))
        return to_tokens.to(tokens.dtype), to_weight.to(weight.dtype), None


def _weighted_sums(table: Tensor, chosen: Tensor, factors: Tensor, groups: Tensor, size: int) -> Tensor:
    """``out[g]`` = the sum of factors[i] * table[chosen[i]] over i with groups[i] = g; ``groups`` is sorted.

    ``table`` (T, d), the others (n,); returns (size, d) in the dtype of ``factors``. No (n, d) tensor is made.
    """
    offsets = torch.searchsorted(groups, torch.arange(size, device=groups.device))
    return F.embedding_bag(chosen, table.to(factors.dtype), offsets, mode="sum", per_sample_weights=factors)
