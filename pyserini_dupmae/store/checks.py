"""Whether a store holds what was written into it: a few rows when it is opened, all of it when that is asked for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pyserini_dupmae.modeling.identity import ModelIdentity, vocabulary_hash
from pyserini_dupmae.util.digests import combined, digest
from pyserini_dupmae.util.errors import UserError
from pyserini_dupmae.util.json_text import read_json
from pyserini_dupmae.util.log import logger

if TYPE_CHECKING:
    from pyserini_dupmae.store.shard import Shard
    from pyserini_dupmae.store.store import ForwardStore

SAMPLED_ROWS = 64
BLOCK = 1 << 14
AGAIN = "encode the collection again"


def require_plausible(store: ForwardStore) -> None:
    """Raise `UserError` unless the shards are of the store's model and a few of its rows are numbers that it gives.

    In constant time, however many documents there are.
    """
    width = (store.model.cls_dim, store.top_k)
    for shard in store.shards:
        if len(shard) and (found := shard.widths) != width:
            raise shard.damaged(f"vectors of {found[0]} and {found[1]} weights, not {width[0]} and {width[1]}")
    rows = np.unique(np.linspace(0, max(0, len(store) - 1), min(len(store), SAMPLED_ROWS), dtype=np.int64))
    if wrong := unlikely(store.model.vocab_size, *store.gather(rows)):
        raise UserError(f"{store.folders[0]} is damaged: {wrong}; {AGAIN}")


def unlikely(vocab_size: int, cls: np.ndarray, token_ids: np.ndarray, weights: np.ndarray) -> str | None:
    """What no model gives among ``cls`` (n, d'), ``token_ids`` (n, k) and ``weights`` (n, k); None where all may be."""
    if not np.isfinite(cls).all():
        return "a dense vector has NaN or infinity"
    if not np.isfinite(weights).all():
        return "a weight is NaN or infinite"
    if token_ids.size and (token_ids.max() >= vocab_size or token_ids.min() < 0):
        return f"a token id is not below {vocab_size}, the size of the vocabulary"
    return None


def verify(store: ForwardStore) -> None:
    """See `ForwardStore.verify`."""
    for shard in store.shards:
        if shard.checksum is not None and combined(digest(shard.path)) != shard.checksum:
            raise shard.damaged("its checksum is not that of what was written")
        _verify_numbers(shard, store)
        shard.docids()
    _ = store.terms
    if all(shard.checksum is None for shard in store.shards):
        logger.info("%s has no checksums, which older versions did not write", store.folders[0])


def _verify_numbers(shard: Shard, store: ForwardStore) -> None:
    for start in range(0, len(shard), BLOCK):
        rows = slice(start, start + BLOCK)
        weights = shard.weights[rows]
        if wrong := unlikely(store.model.vocab_size, shard.cls[rows], shard.token_ids[rows], weights):
            raise shard.damaged(wrong)
        if weights.size and weights.max() > store.max_weight:
            raise shard.damaged("a weight is larger than its store says that any is")


def read_terms(path: Path, model: ModelIdentity) -> list[str]:
    """The index terms in ``path``, by vocabulary id; `UserError` unless they are the vocabulary of ``model``."""
    try:
        terms = read_json(path)
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}; {AGAIN}") from None
    except ValueError as error:
        raise UserError(f"{path} is damaged ({error}); {AGAIN}") from None
    if not isinstance(terms, list) or not all(isinstance(term, str) for term in terms):
        raise UserError(f"{path} is damaged: it is no list of terms; {AGAIN}")
    if len(terms) != model.vocab_size or vocabulary_hash(terms) != model.vocabulary:
        raise UserError(f"{path} has {len(terms)} terms that are not the vocabulary of {model.vocab_size}; {AGAIN}")
    return terms
