"""A store of several shards, and several stores as one, against the arrays that were written."""

import math

import numpy as np
import pytest

from pyserini_dupmae.store import ForwardStore, StoreInfo
from pyserini_dupmae.store import store as store_module
from pyserini_dupmae.util.errors import UserError
from tests.index.conftest import Documents, random_documents


@pytest.fixture
def documents() -> Documents:
    result = random_documents(100, [f"term{i}" for i in range(60)], 12)
    result.contents = [f"text {row} é" for row in range(100)]
    return result


@pytest.mark.parametrize("top_k", [None, 5, 99])
@pytest.mark.parametrize("several", [False, True])
def test_rows_in_any_order(documents, tmp_path, several, top_k):
    parts = [slice(0, 33), slice(33, 100)] if several else [slice(None)]
    store = ForwardStore(*(documents.write(tmp_path / str(i), part) / "store" for i, part in enumerate(parts)))
    assert (len(store), list(store.docids), store.terms) == (100, documents.docids, documents.terms)
    assert store.max_weight == documents.weights.max()
    rows = np.random.default_rng(0).integers(0, 100, 50)
    cls, token_ids, weights = store.gather(rows, top_k)
    assert np.array_equal(cls, documents.cls[rows])
    assert np.array_equal(token_ids, documents.token_ids[rows, :top_k])
    assert np.array_equal(weights, documents.weights[rows, :top_k])
    assert [store.content(row) for row in (0, 32, 33, 39, 40, 99)] == [
        documents.contents[row] for row in (0, 32, 33, 39, 40, 99)
    ]


def test_docids_are_found_by_row_and_rows_by_docid(documents, tmp_path):
    documents.docids = [f"d{row}" * (1 + row % 3) + "é" * (row == 7) for row in range(100)]
    docids = ForwardStore(documents.write(tmp_path) / "store").docids
    expected = documents.docids
    assert (len(docids), list(docids), docids[-1], docids[30:50:3]) == (100, expected, expected[-1], expected[30:50:3])
    rows = np.random.default_rng(0).integers(0, 100, 200).tolist()
    assert docids.take(rows) == [expected[row] for row in rows] == [docids[row] for row in rows]
    assert [docids.index(docid) for docid in expected] == list(range(100))
    assert docids.index("d7d7é") == 7
    assert "d5" not in docids  # it is d5d5d5
    assert "d5d5d5" in docids
    with pytest.raises(ValueError, match="'nothing' is not among the docids"):
        docids.index("nothing")
    for row in (100, -101):
        with pytest.raises(IndexError):
            docids[row]


def test_the_largest_norm_is_rounded_up(documents, tmp_path, monkeypatch):
    monkeypatch.setattr(store_module, "NORM_BLOCK", 7)
    exact = max(math.fsum(float(x) ** 2 for x in row) for row in documents.cls) ** 0.5
    found = ForwardStore(documents.write(tmp_path) / "store").largest_norm()
    assert exact <= found <= exact * (1 + 1e-10)


def test_shards_are_shown_as_they_are(documents, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    store = ForwardStore(documents.write(tmp_path) / "store")
    assert [len(shard) for shard in store.shards_shown("label")] == [40, 40, 20]
    assert "label" in capsys.readouterr().err


def test_what_is_no_finished_store(documents, tmp_path):
    store = documents.write(tmp_path) / "store"
    shard = store / "shard-000001.safetensors"
    shard.write_bytes(shard.read_bytes()[:100])
    with pytest.raises(UserError, match=r"cannot read the shard .*shard-000001\.safetensors \(.+\); encode the coll"):
        ForwardStore(store)
    (store / "store.json").write_text('{"format": 1}')
    with pytest.raises(UserError, match=r"store\.json is damaged \('model'\)"):
        StoreInfo.read(store)
    (store / "store.json").write_text('{"format": 2}')
    with pytest.raises(UserError, match="of another format version"):
        StoreInfo.read(store)
    (store / "store.json").unlink()
    with pytest.raises(UserError, match="holds no finished forward store"):
        ForwardStore(store)
