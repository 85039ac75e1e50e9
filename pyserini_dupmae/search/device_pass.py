"""The fast pass of a scan by torch, on a GPU or on any other device."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise

import numpy as np
import torch

from pyserini_dupmae.index.postings import Postings, PostingsBlock
from pyserini_dupmae.modeling.query_encoder import EncodedQuery
from pyserini_dupmae.search.contenders import Contenders
from pyserini_dupmae.search.scan import F32, BoundedPass, norm


class DevicePass(BoundedPass):
    """The fast pass by torch, on a GPU or any other device."""

    queries_at_once = 512

    def __init__(self, postings: DevicePostings, dense: bool = True, sparse: bool = True):
        super().__init__(postings.bounds, dense, sparse)
        self.postings = postings

    def contenders(self, queries: Sequence[EncodedQuery], hits: int, threads: int) -> list[Contenders]:
        vectors = np.stack([query.cls for query in queries])
        found = self._begin(queries, hits, [self._dense_error(vector) for vector in vectors])
        on_device = torch.from_numpy(vectors).to(self.postings.device)
        with _full_precision():
            for block in self.postings:
                scores = torch.zeros(len(queries), len(block), device=self.postings.device)
                if self.sparse:
                    block.add_sparse(queries, scores)
                if self.dense:
                    scores += torch.mm(on_device, block.cls.float().T) * block.scales
                self._choose(block.first, scores, found)
        return found

    def _dense_error(self, vector: np.ndarray) -> float:
        largest, taken = self.bounds
        return 1.01 * norm(vector) * (taken + F32 * (len(vector) + 4) * (largest + taken))

    def _choose(self, first: int, scores: torch.Tensor, found: list[Contenders]) -> None:
        """Hand the documents of a block that are not out yet, by their scores (Q, n), to each query's contenders."""
        hits = found[0].hits
        if scores.shape[1] > 4 * hits and any(one.is_open for one in found):
            for one, kth in zip(found, scores.topk(hits, dim=1).values[:, -1].tolist(), strict=True):
                one.learn(kth)
        lowest = torch.from_numpy(np.array([one.lowest for one in found])).to(scores.device)
        chosen = (scores >= lowest[:, None]).nonzero()  # (m, 2), by query and then by row
        values = scores[chosen[:, 0], chosen[:, 1]].cpu().numpy()
        numbers, rows = chosen.cpu().numpy().T
        ends = np.searchsorted(numbers, np.arange(len(found) + 1))
        for one, (start, end) in zip(found, pairwise(ends.tolist()), strict=True):
            one.take(rows[start:end] + first, values[start:end])


class DevicePostings:
    """Postings on a device. Blocks stay there while there is room; the others are taken there whenever they are asked
    for."""

    def __init__(self, postings: Postings, device: str | torch.device):
        self.bounds, self.device = postings.bounds, torch.device(device)
        self._blocks = postings.blocks
        self._kept: dict[int, _DeviceBlock] = {}

    def __iter__(self) -> Iterator[_DeviceBlock]:
        for number, block in enumerate(self._blocks):
            if number in self._kept:
                yield self._kept[number]
                continue
            taken = _DeviceBlock(block, self.device)
            if _has_room(self.device):
                self._kept[number] = taken
            yield taken


class _DeviceBlock:
    """A `PostingsBlock` on a device; ``starts`` stays here."""

    POSTINGS_AT_ONCE = 1 << 24

    def __init__(self, block: PostingsBlock, device: torch.device):
        self.first, self.starts = block.first, block.starts
        self.rows = as_tensor(block.rows.view(np.int16)).to(device)
        self.weights = as_tensor(block.weights.view(np.int16)).view(torch.bfloat16).to(device)
        self.cls, self.scales = as_tensor(block.cls).to(device), as_tensor(block.scales).to(device)

    def __len__(self) -> int:
        return len(self.cls)

    def add_sparse(self, queries: Sequence[EncodedQuery], scores: torch.Tensor) -> None:
        """Add to ``scores`` (Q, n) the sums over each query's terms of both weights."""
        terms = np.concatenate([query.token_ids for query in queries])
        weights = np.concatenate([query.weights for query in queries])
        places = np.repeat(np.arange(len(queries)) * len(self), [len(query.token_ids) for query in queries])
        begins = self.starts[terms]
        lengths = self.starts[terms + 1] - begins
        parts = np.searchsorted(lengths.cumsum(), np.arange(0, lengths.sum(), self.POSTINGS_AT_ONCE))
        for start, end in pairwise([*np.unique(parts).tolist(), len(terms)]):
            part = slice(start, end)
            self._add(begins[part], lengths[part], places[part], weights[part], scores.view(-1))

    def _add(
        self, begins: np.ndarray, lengths: np.ndarray, places: np.ndarray, weights: np.ndarray, scores: torch.Tensor
    ) -> None:
        """Add the postings of some terms, ``lengths`` of each from ``begins`` on, to ``scores`` from ``places`` on."""
        count, device = int(lengths.sum()), scores.device
        before = lengths.cumsum() - lengths
        spans = torch.from_numpy(np.stack([lengths, begins - before, places])).to(device)
        worth = torch.from_numpy(weights).to(device)
        term = torch.repeat_interleave(torch.arange(len(lengths), device=device), spans[0], output_size=count)
        postings = torch.arange(count, device=device) + spans[1][term]
        rows = self.rows[postings].to(torch.int64) & 0xFFFF
        scores.index_add_(0, rows + spans[2][term], self.weights[postings].float() * worth[term])


def as_tensor(array: np.ndarray) -> torch.Tensor:
    """An array, which may be a memory map, as a tensor that nobody writes to."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(array)


def _has_room(device: torch.device, reserve: int = 4 << 30) -> bool:
    """Whether a device may hold another block, with ``reserve`` bytes left for the work on it."""
    return device.type != "cuda" or torch.cuda.mem_get_info(device)[0] > reserve


@contextmanager
def _full_precision() -> Iterator[None]:
    """Products of float32 numbers in float32, whatever the program has set."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
