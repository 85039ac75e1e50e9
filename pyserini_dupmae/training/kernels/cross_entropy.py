"""Cross-entropy over the vocabulary straight from hidden states (Eq. 4 and the masked-LM loss)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from pyserini_dupmae.modeling.linear import linear
from pyserini_dupmae.modeling.vocabulary import block_size, compute_dtype


def linear_cross_entropy(hidden: Tensor, weight: Tensor, bias: Tensor | None, labels: Tensor) -> Tensor:
    """The sum of -log softmax(hidden @ weight.T + bias)[label] over rows, a scalar, float32 or wider.

    Equal to ``F.cross_entropy(F.linear(hidden, weight, bias), labels, reduction="sum")``, but only a block of rows has
    its logits at a time. The gradients are made in the forward pass, while a block's logits are there: the backward
    pass only scales them. Products run in autocast's dtype, sums and the softmax in float32.

    ``hidden`` (N, d), ``weight`` (|V|, d), ``bias`` (|V|,), ``labels`` (N,) int64; N = 0 gives 0.
    """
    return _LinearCrossEntropy.apply(hidden, weight, bias, labels, torch.is_grad_enabled())


class _LinearCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, weight: Tensor, bias: Tensor | None, labels: Tensor, with_gradients: bool
    ) -> Tensor:
        dtype = compute_dtype(hidden)
        with torch.autocast(hidden.device.type, enabled=False):
            rows, matrix = hidden.to(dtype), weight.to(dtype)
            wide = torch.promote_types(dtype, torch.float32)
            total = torch.zeros((), dtype=wide, device=hidden.device)
            gradients = _Gradients(wide, hidden, weight, bias, matrix) if with_gradients else None
            size = block_size(len(matrix), rows.device, with_gradient=True)
            for start in range(0, len(rows), size):
                block = slice(start, start + size)
                logits = linear(rows[block], matrix).to(wide)  # (n, |V|)
                if bias is not None:
                    logits += bias
                logits -= logits.amax(dim=1, keepdim=True)
                chosen = logits.gather(1, labels[block, None]).squeeze(1)
                mass = logits.exp_()
                normaliser = mass.sum(dim=1)
                total += (normaliser.log() - chosen).sum()
                if gradients is not None:
                    gradients.add(block, mass, normaliser, rows[block], labels[block])
        if gradients is not None:
            ctx.save_for_backward(*gradients.tensors(hidden, weight, bias))
        return total

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        return (*(None if part is None else upstream.to(part.dtype) * part for part in ctx.saved_tensors), None, None)


class _Gradients:
    """The gradients of the sum in the dtype ``wide``, filled block by block.

    With respect to the logits they are mass / normaliser minus one at the label. The quotient is never formed: the
    normaliser divides the d columns of a factor instead of the |V| columns of the logits.
    """

    def __init__(self, wide: torch.dtype, hidden: Tensor, weight: Tensor, bias: Tensor | None, matrix: Tensor):
        self.hidden = torch.empty_like(hidden, dtype=wide)
        self.weight = torch.zeros_like(weight, dtype=wide)
        self.bias = None if bias is None else torch.zeros_like(bias, dtype=wide)
        self.transposed = matrix.T.contiguous()  # (d, |V|), the weight in the dtype of the products

    def add(self, block: slice, mass: Tensor, normaliser: Tensor, rows: Tensor, labels: Tensor) -> None:
        """Add a block of n rows: ``mass`` (n, |V|), ``normaliser`` and ``labels`` (n,), ``rows`` (n, d)."""
        scaled = rows / normaliser[:, None].to(rows.dtype)
        ones = torch.ones_like(normaliser)
        if self.bias is not None:
            self.bias += mass.T @ normaliser.reciprocal()
            self.bias.index_add_(0, labels, -ones)
        mass = mass.to(rows.dtype)
        self.hidden[block] = linear(mass, self.transposed) / normaliser[:, None] - self.transposed[:, labels].T
        self.weight += linear(mass.T.contiguous(), scaled.T.contiguous())
        self.weight.index_add_(0, labels, -rows.to(self.weight.dtype))

    def tensors(self, *inputs: Tensor | None) -> tuple[Tensor | None, ...]:
        """The gradients in the dtypes of ``inputs`` (hidden, weight, bias)."""
        parts = (self.hidden, self.weight, self.bias)
        pairs = zip(parts, inputs, strict=True)
        return tuple(None if part is None or given is None else part.to(given.dtype) for part, given in pairs)
