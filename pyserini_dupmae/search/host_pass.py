"""The fast pass of a scan on the CPU."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise, product

import numpy as np
import torch
from scipy.sparse import csc_array

from pyserini_dupmae.index.postings import DenseBounds, Postings, PostingsBlock, to_int8
from pyserini_dupmae.modeling.query_encoder import EncodedQuery
from pyserini_dupmae.search.contenders import Contenders
from pyserini_dupmae.search.scan import F32, BoundedPass, as_tensor, norm
from pyserini_dupmae.search.workers import in_threads


class HostPass(BoundedPass):
    """The fast pass on the CPU: numbers of 8 bits for the dense part, one term after another for the sparse one."""

    queries_at_once = 64

    def __init__(self, postings: Postings, dense: bool = True, sparse: bool = True):
        super().__init__(postings.bounds, dense, sparse)
        self.postings = postings

    def contenders(self, queries: Sequence[EncodedQuery], hits: int, threads: int) -> list[Contenders]:
        rounded = _Rounded(np.stack([query.cls for query in queries]))
        found = self._begin(queries, hits, rounded.errors(self.bounds))
        blocks = self.postings.blocks
        # As many groups as it takes for each thread to have a task, and then some, since tasks differ.
        groups = min(len(queries), -(-2 * threads // max(1, len(blocks)))) if threads > 1 else 1
        edges = np.linspace(0, len(queries), groups + 1, dtype=int).tolist()

        def work(task: tuple[PostingsBlock, tuple[int, int]]) -> None:
            block, (start, end) = task
            dense = rounded.scores(block, start, end) if self.dense else None
            for number in range(start, end):
                scores = None if dense is None else dense[number - start]
                if self.sparse:
                    sparse = _sparse_scores(queries[number], block)
                    scores = sparse if scores is None else np.add(scores, sparse, out=scores)
                assert scores is not None, "a scan has a part"
                found[number].add(block.first, scores)

        with _one_torch_thread():
            in_threads(work, product(blocks, pairwise(edges)), threads)
        return found


class _Rounded:
    """Vectors of queries (Q, d') as numbers of 8 bits, like those of the documents."""

    def __init__(self, vectors: np.ndarray):
        numbers, scales, _ = to_int8(vectors)
        self._numbers, self._scales = torch.from_numpy(numbers), scales[:, None]
        self._vectors = vectors.astype(np.float64)
        self._taken = self._vectors - numbers * self._scales.astype(np.float64)

    def scores(self, block: PostingsBlock, start: int, end: int) -> np.ndarray:
        """Inner products (end - start, n) float32 of some of the vectors with those of a block."""
        products = _int8_products(self._numbers[start:end], as_tensor(block.cls)).float().numpy()
        products *= block.scales
        products *= self._scales[start:end]
        return products

    def errors(self, bounds: DenseBounds) -> list[float]:
        """By how much each vector's scores can be off: by what rounding took from it, and from the documents."""
        largest, taken = bounds
        errors = []
        for vector, gone in zip(self._vectors, self._taken, strict=True):
            length, lost = norm(vector), norm(gone)
            rounded = (length + lost) * (largest + taken)  # at least any product of rounded vectors
            errors.append(1.01 * (lost * largest + (length + lost) * taken + 4 * F32 * rounded))
        return errors


def _int8_products(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """``x @ y.T`` of (q, d) and (n, d) int8: (q, n) int32, exactly."""
    if x.shape[1] == 1:  # where torch takes the strides of y.T for those of another matrix
        return x.int() * y.T.int()
    return torch._int_mm(x, y.T)


@contextmanager
def _one_torch_thread() -> Iterator[None]:
    """One thread for each product: the tasks that are at work at the same time are what uses the cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


_buffers = threading.local()


def _sparse_scores(query: EncodedQuery, block: PostingsBlock) -> np.ndarray:
    """The sum over the query's terms of both weights, (n,) float32, for the documents of a block."""
    starts, ends = block.starts[query.token_ids], block.starts[query.token_ids + 1]
    lengths = ends - starts
    count = int(lengths.sum())
    rows, bits = _space(count)
    spans = [slice(s, e) for s, e in zip(starts.tolist(), ends.tolist(), strict=True) if e > s]
    if spans:
        np.concatenate([block.rows[span] for span in spans], out=rows)
        np.concatenate([block.weights[span] for span in spans], out=bits)
        np.left_shift(bits, 16, out=bits)
    columns = np.zeros(len(lengths) + 1, np.int32)
    np.cumsum(lengths, out=columns[1:])
    bags = csc_array((bits.view(np.float32), rows, columns), shape=(len(block), len(lengths)))
    return bags @ query.weights


def _space(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Room for ``count`` postings, int32 and uint32, that a thread uses again and again."""
    space = getattr(_buffers, "space", None)
    if space is None or len(space[0]) < count:
        space = _buffers.space = (np.empty(count + count // 4, np.int32), np.empty(count + count // 4, np.uint32))
    return space[0][:count], space[1][:count]
