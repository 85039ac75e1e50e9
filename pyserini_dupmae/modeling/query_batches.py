"""Queries through the model in batches that change none of their numbers.

A run has to be a function of its queries, not of the batches they came in. So a batch is of queries of one length:
nothing is padded, and everything that is done to a row is done to it alone. A library may still round a row of a small
matrix otherwise than the same row of a large one. On a CPU that is looked at, once for each shape: where the first or
the last query of a batch comes out otherwise when it is alone, batches of that shape are not made, so that every query
is what it is alone, to the last bit. On a GPU it would be so for nearly all shapes. There each batch is filled up to
one size, so that a query's shape depends on its own length only; a single query then takes as long as a full batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from pyserini_dupmae.modeling.model import DupMAEModel

CPU_SIZES = (64, 16, 4, 1)
"""Batches on a CPU have one of these sizes: few shapes are to be looked at."""

GPU_SIZE = 64


class QueryBatch(NamedTuple):
    """Queries of one length: ``numbers`` says which, ``ids`` (B, L) int64 are their tokens.

    The dense part ``cls`` (B, d') and ``mu`` (B, |V|) are float32.
    """

    numbers: list[int]
    ids: Tensor
    cls: Tensor
    mu: Tensor


class QueryBatches:
    """Represents tokenised queries with ``model``; what it has seen of a shape is remembered."""

    def __init__(self, model: DupMAEModel):
        self.model = model
        self._alike: dict[tuple[int, int], bool] = {}

    @torch.inference_mode()
    def represent(self, tokens: Sequence[Sequence[int]]) -> Iterator[QueryBatch]:
        """Every query of ``tokens``, its token ids with special ones, once; by length."""
        by_length: dict[int, list[int]] = {}
        for number, of_query in enumerate(tokens):
            by_length.setdefault(len(of_query), []).append(number)
        for same_length in by_length.values():
            for numbers in self._divided(same_length):
                ids = torch.tensor([list(tokens[number]) for number in numbers], device=self.model.device)
                yield QueryBatch(numbers, ids, *self._represent(ids))

    def _divided(self, numbers: list[int]) -> Iterator[list[int]]:
        """``numbers`` in batches."""
        start = 0
        while start < len(numbers):
            left = len(numbers) - start
            size = next(size for size in CPU_SIZES if size <= left) if self._on_cpu else GPU_SIZE
            yield numbers[start : start + size]
            start += size

    @property
    def _on_cpu(self) -> bool:
        return self.model.device.type == "cpu"

    def _represent(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        """What `QueryBatch` has of queries ``ids`` (B, L)."""
        if not self._on_cpu:
            filled = torch.cat([ids, ids[-1:].expand(GPU_SIZE - len(ids), -1)])
            cls, mu = self._forward(filled)
            return cls[: len(ids)], mu[: len(ids)]
        if self._alike.get((ids.shape[0], ids.shape[1]), True):
            together = self._forward(ids)
            if self._is_alike(ids, together):
                return together
        alone = [self._forward(ids[row : row + 1]) for row in range(len(ids))]
        return torch.cat([cls for cls, _ in alone]), torch.cat([mu for _, mu in alone])

    def _is_alike(self, ids: Tensor, together: tuple[Tensor, Tensor]) -> bool:
        """Whether queries in a batch of this shape are what they are alone."""
        shape = (ids.shape[0], ids.shape[1])
        if shape not in self._alike:
            self._alike[shape] = len(ids) == 1 or all(
                torch.equal(part[row : row + 1], own)
                for row in (0, len(ids) - 1)
                for part, own in zip(together, self._forward(ids[row : row + 1]), strict=True)
            )
        return self._alike[shape]

    def _forward(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        cls, mu = self.model.represent(ids, torch.ones_like(ids), query=True)
        return cls.float(), mu.float()
