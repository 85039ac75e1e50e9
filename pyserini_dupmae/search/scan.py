"""The engine ``scan``: Eq. 12 of every document, by construction.

Two passes. The fast one goes over the term-major copy of the store, a block of documents at a time: the dense part is a
matrix product, the sparse part is added term by term, in bfloat16 and float32. It is off by a bounded amount, so the
documents that can be among the first k are known. The second pass scores those from the store, as the engine of lists
does, so that both give the same rankings.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import torch
from scipy.sparse import csc_array

from pyserini_dupmae.index.postings import Postings, PostingsBlock
from pyserini_dupmae.modeling.query_encoder import EncodedQuery
from pyserini_dupmae.search.exact_scorer import ExactScorer
from pyserini_dupmae.search.fusion import Limits, Ranking, rank

QUERIES_AT_ONCE = 64
"""More share the reading of a block, but their scores leave the cache."""

# One rounding is off by a share of at most 2**-8 to bfloat16 and 2**-24 to float32. What is more than that covers the
# products of errors, which are smaller by as much again.
BF16 = 1.01 * 2.0**-8
F32 = 2.0**-23


class Scan:
    """Ranks every document of a collection, by Eq. 12 or by one of its parts.

    Args:
        postings: the term-major copy of the store.
        exact: the store.
        dense, sparse: which parts count. With the sparse one alone only documents with a token of the query are ranked.
    """

    def __init__(self, postings: Postings, exact: ExactScorer, dense: bool = True, sparse: bool = True):
        self.postings, self.exact, self.dense, self.sparse = postings, exact, dense, sparse
        self._in_bf16 = _bf16_is_fast()

    def search(
        self,
        queries: Sequence[EncodedQuery],
        hits: int,
        certify: int | None = None,
        max_depth: int | None = None,
        threads: int = 1,
    ) -> list[Ranking]:
        """The ranking of each query, all of it proved; the arguments are those of `fusion.Fusion.search`."""
        limits = Limits(hits, hits if certify is None else certify, max_depth)
        rankings: list[Ranking] = []
        with _torch_threads(threads), ThreadPoolExecutor(threads, thread_name_prefix="dupmae-scan") as pool:
            for start in range(0, len(queries), QUERIES_AT_ONCE):
                batch = list(queries[start : start + QUERIES_AT_ONCE])
                candidates = self._candidates(batch, hits, pool)
                rankings += pool.map(lambda query, rows: self._exactly(query, rows, limits), batch, candidates)
        return rankings

    def _exactly(self, query: EncodedQuery, rows: np.ndarray, limits: Limits) -> Ranking:
        cls, ot = self.exact.parts(query, rows)
        documents = self.postings.documents
        return rank(rows, cls, ot, -np.inf, documents, limits, self.exact.docids, dense=self.dense, sparse=self.sparse)

    def _candidates(self, queries: list[EncodedQuery], hits: int, pool: ThreadPoolExecutor) -> list[np.ndarray]:
        """For each query the rows, rising, of all documents that can be among its first ``hits``."""
        kept = [_Best(hits, *self._error(query), self.dense) for query in queries]
        vectors = np.stack([query.cls for query in queries]) if self.dense else None
        for block in self.postings.blocks:
            scores = self._dense_scores(vectors, block) if vectors is not None else None

            def work(number: int, block: PostingsBlock = block, scores: np.ndarray | None = scores) -> None:
                own = None if scores is None else scores[number]
                if self.sparse:
                    found = _sparse_scores(queries[number], block)
                    own = found if own is None else np.add(own, found, out=own)
                assert own is not None, "a scan has a part"
                kept[number].add(block.first, own)

            list(pool.map(work, range(len(queries))))
        return [best.rows() for best in kept]

    def _dense_scores(self, vectors: np.ndarray, block: PostingsBlock) -> np.ndarray:
        """Inner products (Q, n) float32 of the queries' vectors (Q, d') with the block's."""
        documents = torch.from_numpy(block.cls.view(np.int16)).view(torch.bfloat16)
        queries = torch.from_numpy(vectors)
        if self._in_bf16:
            return _onednn_linear(queries.bfloat16(), documents).float().numpy()
        return torch.mm(queries, documents.float().T).numpy()

    def _error(self, query: EncodedQuery) -> tuple[float, float]:
        """(r, e) such that a fast score s of this query is off by at most r |s| + e."""
        relative, absolute = F32, 0.0
        if self.sparse:  # all its terms are positive, so their relative errors do not add up
            relative += BF16 + F32 * (len(query.token_ids) + 2)
        if self.dense:
            largest = float(np.linalg.norm(query.cls.astype(np.float64))) * self.postings.largest_norm
            roundings = 3 if self._in_bf16 else 1  # of the query, of the document and of the result
            # The sparse part is at most the score plus the largest dense part.
            absolute = largest * (roundings * BF16 + F32 * len(query.cls) + 1.01 * relative)
        return relative, absolute


def _bf16_is_fast() -> bool:
    """Whether this processor multiplies bfloat16 matrices natively."""
    return torch.ops.mkldnn._is_mkldnn_bf16_supported() and torch.backends.cpu.get_cpu_capability().startswith("AVX512")


@contextmanager
def _torch_threads(threads: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class _Best:
    """The documents of one query that can still be among its best ``hits``, as blocks go by.

    A fast score s stands for an exact one between s - r |s| - e and s + r |s| + e. A document is out when its largest
    possible score is below the smallest possible one of ``hits`` others.
    """

    def __init__(self, hits: int, relative: float, absolute: float, ranks_all: bool):
        self.hits, self.relative, self.absolute = hits, relative, absolute
        self.threshold = -np.inf if ranks_all else np.float32(0)
        self.ranks_all = ranks_all
        self._rows: list[np.ndarray] = []
        self._scores: list[np.ndarray] = []
        self._size = 0

    def add(self, first: int, scores: np.ndarray) -> None:
        """Take the scores (n,) of the documents from row ``first`` on."""
        chosen = np.flatnonzero(scores >= self.threshold if self.ranks_all else scores > self.threshold)
        if len(chosen) > 4 * self.hits:  # of the first blocks, before the threshold is any good
            kth = _kth_largest(scores[chosen], self.hits)
            chosen = chosen[scores[chosen] >= self._below(kth)]
        self._rows.append(chosen + first)
        self._scores.append(scores[chosen])
        self._size += len(chosen)
        if self._size > 2 * self.hits + 1024:
            self._reduce()

    def rows(self) -> np.ndarray:
        """The rows, rising."""
        self._reduce()
        return self._rows[0] if self._rows else np.empty(0, np.int64)

    def _reduce(self) -> None:
        if not self._rows:
            return
        rows, scores = np.concatenate(self._rows), np.concatenate(self._scores)
        if len(scores) > self.hits:
            below = self._below(_kth_largest(scores, self.hits))
            keep = scores >= below
            rows, scores = rows[keep], scores[keep]
            self.threshold = below if self.ranks_all else np.float32(max(0.0, np.nextafter(below, np.float32(-np.inf))))
        self._rows, self._scores, self._size = [rows], [scores], len(rows)

    def _below(self, kth: float) -> np.float32:
        """The fast score below which no document can reach one whose fast score is ``kth``, rounded down."""
        reach = kth - self.relative * abs(kth) - 2 * self.absolute
        lowest = reach / (1 + self.relative) if reach >= 0 else reach / (1 - self.relative)
        return np.nextafter(np.float32(lowest), np.float32(-np.inf))


def _onednn_linear(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """``x @ weight.T``. Named, since torch.mm has kernels for small shapes that add up in bfloat16."""
    return torch.ops.mkldnn._linear_pointwise(x, weight, None, "none", [], "")


def _kth_largest(scores: np.ndarray, k: int) -> float:
    return float(np.partition(scores, -k)[-k])


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
