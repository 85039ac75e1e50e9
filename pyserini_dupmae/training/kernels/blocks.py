"""How much of the vocabulary logits is held at a time, and in which dtype they are computed."""

from __future__ import annotations

import torch
from torch import Tensor

# Measured on two CPU cores: below 64 MB of float32 logits a block, adding up the weight's gradient dominates.
CPU_BLOCK_LOGITS = 1 << 24
GPU_BLOCK_LOGITS = 1 << 27


def block_size(other: int, device: torch.device) -> int:
    """How many rows (or columns) of a matrix whose other side is ``other`` make one block; at least 1."""
    budget = CPU_BLOCK_LOGITS if device.type == "cpu" else GPU_BLOCK_LOGITS
    return max(1, budget // max(1, other))


def compute_dtype(tensor: Tensor) -> torch.dtype:
    """The dtype of a matrix product with ``tensor``: autocast's where it is on, else the tensor's own."""
    kind = tensor.device.type
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else tensor.dtype
