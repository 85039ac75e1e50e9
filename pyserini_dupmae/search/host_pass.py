"""The fast pass of a scan on the CPU."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from itertools import pairwise, product

import numpy as np

from pyserini_dupmae.index.postings import DenseBounds, Postings, PostingsBlock, to_int8
from pyserini_dupmae.modeling.query_encoder import EncodedQuery
from pyserini_dupmae.search.contenders import Contenders
from pyserini_dupmae.search.kernels import add_dense, add_products, add_sparse
from pyserini_dupmae.search.scan import F32, BoundedPass, norm
from pyserini_dupmae.search.workers import in_threads

# From so many queries on one product of matrices costs less than a pass over the vectors for each of them.
QUERIES_OF_A_PRODUCT = 4


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
            add = rounded.adder(block, start, end) if self.dense else None
            for number in range(start, end):
                scores = _zeros(len(block))
                if self.sparse:
                    terms, weights = queries[number].token_ids.astype(np.int64), queries[number].weights
                    add_sparse(scores, block.starts, block.rows, block.weights, terms, weights)
                if add is not None:
                    add(scores, number)
                found[number].add(block.first, scores)

        has_products = self.dense and max(end - start for start, end in pairwise(edges)) >= QUERIES_OF_A_PRODUCT
        with _one_torch_thread() if has_products else nullcontext():
            in_threads(work, product(blocks, pairwise(edges)), threads)
        return found


class _Rounded:
    """Vectors of queries (Q, d') as numbers of 8 bits, like those of the documents."""

    def __init__(self, vectors: np.ndarray):
        self._numbers, self._scales, _ = to_int8(vectors)
        self._vectors = vectors.astype(np.float64)
        self._taken = self._vectors - self._numbers * self._scales.astype(np.float64)[:, None]

    def adder(self, block: PostingsBlock, start: int, end: int) -> Callable[[np.ndarray, int], None]:
        """What adds to scores (n,) of a block the inner products with one of the vectors from ``start`` to ``end``."""
        if end - start < QUERIES_OF_A_PRODUCT:
            return lambda scores, number: add_dense(
                scores, block.cls, block.scales, self._numbers[number], self._scales[number]
            )
        products = _int8_products(self._numbers[start:end], block.cls)
        return lambda scores, number: add_products(scores, products[number - start], block.scales, self._scales[number])

    def errors(self, bounds: DenseBounds) -> list[float]:
        """By how much each vector's scores can be off: by what rounding took from it, and from the documents."""
        largest, taken = bounds
        errors = []
        for vector, gone in zip(self._vectors, self._taken, strict=True):
            length, lost = norm(vector), norm(gone)
            rounded = (length + lost) * (largest + taken)  # at least any product of rounded vectors
            errors.append(1.01 * (lost * largest + (length + lost) * taken + 4 * F32 * rounded))
        return errors


def _int8_products(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """``x @ y.T`` of (q, d) and (n, d) int8: (q, n) int32, exactly."""
    import torch

    from pyserini_dupmae.search.device_pass import as_tensor

    if x.shape[1] == 1:  # where torch takes the strides of y.T for those of another matrix
        return x.astype(np.int32) * y.T.astype(np.int32)
    return torch._int_mm(as_tensor(x), as_tensor(y).T).numpy()


@contextmanager
def _one_torch_thread() -> Iterator[None]:
    """One thread for each product: the tasks that are at work at the same time are what uses the cores."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


_buffers = threading.local()


def _zeros(count: int) -> np.ndarray:
    """(count,) float32, memory that a thread uses again and again."""
    scores = getattr(_buffers, "scores", None)
    if scores is None or len(scores) < count:
        scores = _buffers.scores = np.empty(count, np.float32)
    scores[:count] = 0
    return scores[:count]
