"""The texts of all processes in every process, with gradients."""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor

from pyserini_dupmae.training.finetune.model import Represented


def gather(tensor: Tensor) -> Tensor:
    """The rows of every process, in the order of ranks; only one's own carry a gradient. Sizes must be equal.

    Every process then computes the loss of the joined batch, and its gradient with respect to its own rows: the sum of
    these over processes, which is what a loss times the number of processes gives under DDP's mean, is the gradient of
    the joined batch.
    """
    if not (dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1):
        return tensor
    parts = [torch.empty_like(tensor) for _ in range(dist.get_world_size())]
    dist.all_gather(parts, tensor.detach().contiguous())
    parts[dist.get_rank()] = tensor
    return torch.cat(parts)


def gather_all(batch: Represented) -> Represented:
    """`gather` each part of ``batch``."""
    return Represented(*(gather(part) for part in batch))
