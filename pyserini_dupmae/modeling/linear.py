"""Matrix products on a CPU in float32 by oneDNN.

PyTorch gives them to MKL, which on AMD processors does not use AVX-512: there oneDNN is twice as fast. In other dtypes,
autocast's among them, PyTorch calls oneDNN itself.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import linear as torch_linear
from torch.overrides import TorchFunctionMode


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``x @ weight.T + bias`` for ``x`` (..., d) and ``weight`` (n, d), differentiable."""
    if not (x.device.type == "cpu" and x.dtype == weight.dtype == torch.float32 and _onednn_is_faster()):
        return torch_linear(x, weight, bias)
    if torch.is_autocast_enabled("cpu"):
        return torch_linear(x, weight, bias)
    if torch.is_grad_enabled() and any(part is not None and part.requires_grad for part in (x, weight, bias)):
        return _Linear.apply(x, weight, bias)
    return _onednn(x, weight, bias)


class FastLinear(TorchFunctionMode):
    """Within this context every linear layer, of whatever model, goes through `linear`."""

    def __torch_function__(self, func: Callable, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        return (linear if func is torch_linear else func)(*args, **(kwargs or {}))


def recomputed_alike(kwargs: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a model's ``gradient_checkpointing_enable``, for one that is called within `FastLinear`.

    What is computed again in the backward pass is outside that context, but must be as it was the first time.
    """
    given = kwargs.get("gradient_checkpointing_kwargs") or {}
    alike = {"use_reentrant": False, "context_fn": lambda: (nullcontext(), FastLinear())}
    return kwargs | {"gradient_checkpointing_kwargs": given | alike}


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        return _onednn(x, weight, bias)

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        to_x, to_weight, to_bias = ctx.needs_input_grad
        rows = upstream.flatten(0, -2)  # (N, n)
        return (
            _onednn(upstream.contiguous(), weight.T.contiguous()) if to_x else None,
            _onednn(rows.T.contiguous(), x.flatten(0, -2).T.contiguous()) if to_weight else None,
            rows.sum(dim=0) if to_bias else None,
        )


def _onednn(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")


@cache
def _onednn_is_faster() -> bool:
    return (
        torch.backends.mkldnn.is_available()
        and torch.backends.cpu.get_cpu_capability().startswith("AVX512")
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    )
