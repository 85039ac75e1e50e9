"""Representations made smaller after encoding: fewer dimensions of [CLS], fewer bits of a weight."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from pyserini_dupmae.index.quantisation import Quantisation
from pyserini_dupmae.store import ForwardStore, StoreInfo, write_shard


def principal_axes(store: ForwardStore) -> np.ndarray:
    """The principal axes of the documents' [CLS]: (d', d') float32, a column each, by falling variance.

    The first r columns W are the r dimensions that keep most of ĥ_q·(ĥ_d - mean) over all documents and directions of
    ĥ_q. Documents and queries are multiplied by W as they are: leaving the mean in adds the same to every document's
    score of a query, which changes no ranking. The dimensions of a model's own [CLS] have no order, so the first r of
    them would be an arbitrary choice.
    """
    dimensions = store.model.cls_dim
    total, products = np.zeros(dimensions), np.zeros((dimensions, dimensions))
    for shard in store.shards_shown("principal axes"):
        cls = shard.cls.astype(np.float64)
        total += cls.sum(axis=0)
        products += cls.T @ cls
    _, axes = np.linalg.eigh(products - np.outer(total, total) / len(store))
    return np.ascontiguousarray(axes[:, ::-1], np.float32)


def write_reduced(
    store: ForwardStore, folder: Path, axes: np.ndarray | None, quantisation: Quantisation | None
) -> None:
    """Write the store of the same documents with smaller representations into the new folder ``folder``.

    [CLS] is projected on ``axes`` (d', r), and a weight becomes q * scale, what an impact index of this
    ``quantisation`` holds of it; either stays as it is where None is given.
    """
    names = []
    for shard in store.shards_shown("reduced store"):
        cls, weights = shard.cls, shard.weights
        if axes is not None:
            cls = cls @ axes
        if quantisation is not None:
            weights = quantisation.quantise(weights) * quantisation.scale
        names.append(f"shard-{len(names):06d}.safetensors")
        write_shard(folder / names[-1], shard.docids(), cls, shard.token_ids, weights, store.model.vocab_size)
    model = store.model if axes is None else replace(store.model, cls_dim=axes.shape[1])
    most = store.max_weight if quantisation is None else (2**quantisation.bits - 1) * quantisation.scale
    StoreInfo(model, len(store), store.top_k, most, names).write(folder)
