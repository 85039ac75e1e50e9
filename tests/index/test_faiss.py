from __future__ import annotations

import errno

import numpy as np
import pytest

from pyserini_dupmae import jvm
from pyserini_dupmae.index.faiss import write_faiss
from pyserini_dupmae.store import ForwardStore
from pyserini_dupmae.util.errors import UserError


@pytest.fixture
def store(documents, tmp_path) -> ForwardStore:
    return ForwardStore(documents.write(tmp_path / "out") / "store")


class FixedQuery:
    """A query encoder as `FaissSearcher` takes one."""

    def encode(self, text: str) -> np.ndarray:
        return np.linspace(-1, 1, 8, dtype=np.float32)


@pytest.mark.parametrize(
    ("factory", "flat", "tolerance"),
    [("Flat", True, 1e-5), ("HNSW16", False, 1e-5), ("IVF4,Flat", False, 1e-5), ("SQ8", False, 0.1)],
)
def test_pyserini_searches_it_by_inner_product(documents, store, tmp_path, factory, flat, tolerance):
    assert write_faiss(tmp_path, store, factory) is flat
    jvm.start()
    from pyserini.search.faiss import FaissSearcher

    hits = FaissSearcher(str(tmp_path), FixedQuery()).search("", 5)
    exact = dict(zip(documents.docids, documents.cls @ FixedQuery().encode(""), strict=True))
    assert [hit.score for hit in hits] == pytest.approx([exact[hit.docid] for hit in hits], abs=tolerance)
    if flat:
        assert [hit.docid for hit in hits] == sorted(exact, key=exact.get, reverse=True)[:5]


@pytest.mark.parametrize("factory", ["Flat", "HNSW16", "IVF4,Flat"])
def test_equal_stores_give_equal_bytes(store, tmp_path, factory):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write_faiss(tmp_path / name, store, factory)
    assert (tmp_path / "a" / "index").read_bytes() == (tmp_path / "b" / "index").read_bytes()


@pytest.mark.parametrize(
    ("factory", "reason"),
    [
        ("Flatt", "could not parse"),
        ("IVF200,Flat", "number of training points"),
        ("PQ3", "multiple of the number"),
        ("IDMap,Flat", "add_with_ids"),
    ],
)
def test_an_index_that_faiss_cannot_make(store, tmp_path, factory, reason):
    with pytest.raises(UserError, match=f"(?i){factory}.* of 100 vectors of 8 dimensions .*{reason}.*--faiss-factory"):
        write_faiss(tmp_path, store, factory)


@pytest.mark.parametrize("name", ["index", "docid"])
def test_a_full_disk(store, tmp_path, name):
    (tmp_path / name).symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left") as caught:
        write_faiss(tmp_path, store, "Flat")
    assert caught.value.errno == errno.ENOSPC
