"""Writing a FAISS index of the reduced [CLS] vectors, as Pyserini lays it out: ``index`` and ``docid``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from pyserini_dupmae.store import ForwardStore
from pyserini_dupmae.util.errors import UserError
from pyserini_dupmae.util.lazy import require

_TRAINING_ROWS = 200_000
_GRAPHS = ("IndexHNSW", "IndexNSG")


def import_faiss() -> Any:
    """The faiss module. Raises `UserError` when it is not installed."""
    return require("faiss", "a dense index", '"pyserini_dupmae[cpu]"')


def write_faiss(folder: Path, store: ForwardStore, factory: str) -> bool:
    """Write the inner-product index that a FAISS factory string names of a store into the existing folder ``folder``.

    Vectors are added shard by shard; an index that must be trained is trained on up to 200,000 evenly spaced rows.
    The same store gives the same bytes: for that a graph is built by one thread.

    Returns:
        Whether the index is flat, so that its search is exhaustive and its scores are exact.

    Raises:
        UserError: FAISS is not installed, or cannot make or train such an index.
    """
    faiss = import_faiss()
    try:
        index = _filled_index(faiss, store, factory)
    except RuntimeError as error:
        reason = str(error).rpartition(": ")[2].strip()
        raise UserError(
            f"FAISS cannot make the index {factory!r} of {len(store)} vectors of {store.model.cls_dim} dimensions "
            f"({reason}); give another --faiss-factory, such as Flat"
        ) from None
    with open(folder / "index", "wb") as stream:
        # Through Python's file: FAISS's own only prints that the disk is full when closing it fails.
        faiss.write_index(index, faiss.PyCallbackIOWriter(stream.write))
    with open(folder / "docid", "w", encoding="utf-8") as stream:
        for shard in store.shards:
            stream.writelines(f"{docid}\n" for docid in shard.docids())
    return isinstance(index, faiss.IndexFlat)


def _filled_index(faiss: Any, store: ForwardStore, factory: str) -> Any:
    index = faiss.index_factory(store.model.cls_dim, factory, faiss.METRIC_INNER_PRODUCT)
    if not index.is_trained:
        rows = np.linspace(0, len(store) - 1, min(len(store), _TRAINING_ROWS), dtype=np.int64)
        index.train(np.ascontiguousarray(store.gather(rows)[0]))
    threads = faiss.omp_get_max_threads()
    if type(index).__name__.startswith(_GRAPHS):
        faiss.omp_set_num_threads(1)
    try:
        for shard in store.shards_shown("FAISS index"):
            index.add(np.ascontiguousarray(shard.cls))
    finally:
        faiss.omp_set_num_threads(threads)
    return index
