"""The inner loops of searching, compiled by Numba: to the processor's own instructions, and without Python's lock.

They are compiled when this module is first imported, which takes two seconds, and kept beside it or, where nobody may
write there, in the user's cache. No sum of floating-point numbers is reordered, so that scores are the same everywhere.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit, types


def _array(dtype: Any, dimensions: int = 1, readonly: bool = True) -> Any:
    """The type of a contiguous array. One that is only read may be a memory map."""
    return types.Array(dtype, dimensions, "C", readonly=readonly)


_I8, _U16, _I32, _I64, _F32, _F64 = (
    _array(dtype) for dtype in (types.int8, types.uint16, types.int32, types.int64, types.float32, types.float64)
)
_VECTORS, _SHORT_VECTORS = _array(types.float32, 2), _array(types.int8, 2)
_SCORES, _PARTS = _array(types.float32, readonly=False), _array(types.float64, readonly=False)


def _compiled(*arguments: tuple[Any, ...]) -> Callable[[Any], Any]:
    """Compile a function for each of these lists of types, and keep the outcome on disk where there is a place."""

    def decorate(function: Any) -> Any:
        signatures = [types.void(*types_of_one) for types_of_one in arguments]
        try:
            return njit(signatures, nogil=True, cache=True)(function)
        except RuntimeError:  # there is none
            return njit(signatures, nogil=True)(function)

    return decorate


@_compiled((_SCORES, _I64, _U16, _U16, _I64, _F32))
def add_sparse(scores, starts, rows, weights, terms, query_weights):  # type: ignore[no-untyped-def]
    """Add to ``scores`` (n,) float32 the products of both weights, one term of the query after another.

    ``starts`` (|V| + 1,) int64, ``rows`` and ``weights`` (postings,) uint16 are those of a `PostingsBlock`; ``terms``
    (t,) int64 and ``query_weights`` (t,) float32 are the query's.
    """
    for number in range(len(terms)):
        term = terms[number]
        for posting in range(starts[term], starts[term + 1]):
            bits = np.uint32(np.uint32(weights[posting]) << 16)
            scores[rows[posting]] += query_weights[number] * bits.view(np.float32)


@_compiled((_SCORES, _SHORT_VECTORS, _F32, _I8, types.float32))
def add_dense(scores, vectors, scales, query, query_scale):  # type: ignore[no-untyped-def]
    """Add to ``scores`` (n,) float32 the inner products of ``vectors`` (n, d) with ``query`` (d,), both int8.

    ``scales`` (n,) float32 and ``query_scale`` are what a unit of each is worth.
    """
    for row in range(len(vectors)):
        product = np.int32(0)
        for place in range(len(query)):
            # Numba would go on in 64 bits, which takes twice as long; 32 are enough for 133,000 dimensions.
            product = np.int32(product + np.int32(np.int32(vectors[row, place]) * np.int32(query[place])))
        scores[row] += np.float32(product) * scales[row] * query_scale


@_compiled((_SCORES, _I32, _F32, types.float32))
def add_products(scores, products, scales, query_scale):  # type: ignore[no-untyped-def]
    """Add to ``scores`` (n,) float32 what `add_dense` adds, of ``products`` (n,) int32 that are known already."""
    for row in range(len(products)):
        scores[row] += np.float32(products[row]) * scales[row] * query_scale


@_compiled(
    *(
        (_PARTS, _PARTS, _I64, _VECTORS, token_ids, _VECTORS, _I64, types.int64, _F64, _F64)
        for token_ids in (_array(types.uint16, 2), _array(types.int32, 2))
    )
)
def put_parts(cls, ot, places, vectors, token_ids, weights, rows, top_k, query, query_mu):  # type: ignore[no-untyped-def]
    """Put ĥ_q·ĥ_d and the sum over I_d of mu_q[i] mu_d[i] into ``cls`` and ``ot`` (float64), at ``places`` (m,).

    Args:
        vectors, token_ids, weights: (n, d') float32, (n, k) uint16 or int32, (n, k) float32, as in a `Shard`.
        rows: (m,) int64, those of them that are wanted.
        top_k: how many of the weights are I_d.
        query, query_mu: ĥ_q (d',) and mu_q (ids,), float64. An id beyond it makes ``ot`` NaN.
    """
    fours = len(query) - len(query) % 4
    for number in range(len(rows)):
        row = rows[number]
        # Four sums: one would wait for each addition before it begins the next.
        a = b = c = d = 0.0
        for i in range(0, fours, 4):
            a += np.float64(vectors[row, i]) * query[i]
            b += np.float64(vectors[row, i + 1]) * query[i + 1]
            c += np.float64(vectors[row, i + 2]) * query[i + 2]
            d += np.float64(vectors[row, i + 3]) * query[i + 3]
        for i in range(fours, len(query)):
            a += np.float64(vectors[row, i]) * query[i]
        cls[places[number]] = (a + b) + (c + d)
        total = 0.0
        for i in range(top_k):
            weight, token_id = np.float64(weights[row, i]), np.int64(token_ids[row, i])
            if weight == 0:  # and so are the others
                break
            total += weight * (query_mu[token_id] if 0 <= token_id < len(query_mu) else np.nan)
        ot[places[number]] = total
