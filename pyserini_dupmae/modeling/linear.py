"""Matrix products for inference on a CPU in float32 by oneDNN.

PyTorch gives them to MKL, which on AMD processors does not use AVX-512: there oneDNN is twice as fast. In other dtypes
PyTorch calls oneDNN itself.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import linear as torch_linear
from torch.overrides import TorchFunctionMode


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``x @ weight.T + bias`` for ``x`` (..., d) and ``weight`` (n, d); no gradient flows through it."""
    if x.device.type == "cpu" and x.dtype == torch.float32 and _onednn_is_faster():
        return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
    return torch_linear(x, weight, bias)


class FastLinear(TorchFunctionMode):
    """Within this context every linear layer, of whatever model, goes through `linear`."""

    def __torch_function__(self, func: Callable, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        return (linear if func is torch_linear else func)(*args, **(kwargs or {}))


@cache
def _onednn_is_faster() -> bool:
    return (
        torch.backends.mkldnn.is_available()
        and torch.backends.cpu.get_cpu_capability().startswith("AVX512")
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    )
