"""GradCache (Gao et al., arXiv 2101.06983): a contrastive batch of any size in the memory of a few texts.

All texts are represented without gradients, a chunk at a time; the loss gives the gradient of each representation; the
chunks are represented again and that gradient is sent back through them. It is the gradient of the whole batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch import Tensor

from pyserini_dupmae.training.finetune.model import Represented, Texts

Batch = dict[str, Texts]
"""``queries`` and ``documents``."""

DIFFERENTIABLE = ("query_cls", "query_mu", "doc_cls", "weights")


def pieces(batch: Batch, size: int) -> list[Batch]:
    """``batch`` cut into pieces of ``size`` queries and their documents, which lie query by query."""
    queries = len(batch["queries"]["input_ids"])
    group = len(batch["documents"]["input_ids"]) // queries
    return [
        {
            "queries": _rows(batch["queries"], slice(start, start + size)),
            "documents": _rows(batch["documents"], slice(start * group, (start + size) * group)),
        }
        for start in range(0, queries, size)
    ]


def _rows(texts: Texts, rows: slice) -> Texts:
    length = int(texts["attention_mask"][rows].sum(dim=1).max())  # without padding that no text of the piece needs
    return {name: value[rows, :length] for name, value in texts.items()}


def cached_step(
    pieces: list[Batch],
    represent: Callable[[Batch], Represented],
    loss: Callable[[Represented], Tensor],
    backward: Callable[[Tensor], None],
    exchange: Callable[[bool], AbstractContextManager[None]] = lambda last: nullcontext(),
) -> Tensor:
    """The loss of the joined ``pieces``, with its gradients left in the parameters.

    ``represent`` runs the model on a piece, ``loss`` takes the representations of all pieces, ``backward``
    differentiates a scalar of each piece. ``exchange`` is entered around a piece's passes, told whether it is the last:
    where processes share a batch, they exchange gradients in that one only.
    """
    states, found = [], []
    for piece in pieces:
        states.append(_random_state(piece))
        with torch.no_grad():
            found.append(represent(piece))
    leaves = [
        part._replace(**{name: getattr(part, name).requires_grad_() for name in DIFFERENTIABLE}) for part in found
    ]
    total = loss(Represented(*(torch.cat(parts) for parts in zip(*leaves, strict=True))))
    flat = [getattr(part, name) for part in leaves for name in DIFFERENTIABLE]
    gradients = iter(torch.autograd.grad(total, flat))
    for number, (piece, state) in enumerate(zip(pieces, states, strict=True)):
        with exchange(number == len(pieces) - 1):
            with _same_dropout(state):
                again = represent(piece)
            backward(sum((getattr(again, name) * next(gradients)).sum() for name in DIFFERENTIABLE))
    return total.detach()


def _random_state(piece: Batch) -> tuple[Tensor, list[torch.device], list[Tensor]]:
    device = piece["queries"]["input_ids"].device
    devices = [device] if device.type == "cuda" else []
    return torch.get_rng_state(), devices, [torch.cuda.get_rng_state(device) for device in devices]


@contextmanager
def _same_dropout(state: tuple[Tensor, list[torch.device], list[Tensor]]) -> Iterator[None]:
    cpu, devices, of_devices = state
    with torch.random.fork_rng(devices):
        torch.set_rng_state(cpu)
        for device, of_device in zip(devices, of_devices, strict=True):
            torch.cuda.set_rng_state(of_device, device)
        yield
