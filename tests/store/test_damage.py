"""A store that is not what was written: refused when it is opened, where it is read, or when it is verified."""

import json
from dataclasses import replace

import numpy as np
import pytest

from pyserini_dupmae.index import index
from pyserini_dupmae.index.info import IndexInfo
from pyserini_dupmae.index.postings import Postings
from pyserini_dupmae.modeling.query_encoder import EncodedQuery
from pyserini_dupmae.search.engines import open_collection
from pyserini_dupmae.search.exact_scorer import ExactScorer
from pyserini_dupmae.store import ForwardStore, Shard, StoreInfo
from pyserini_dupmae.store.checks import SAMPLED_ROWS
from pyserini_dupmae.util.errors import UserError
from tests.index.conftest import random_documents

ROWS, TERMS = 1000, [f"term{i}" for i in range(60)]
HIDDEN = 7
"""A row that is not among those that opening looks at."""

QUERY = EncodedQuery(np.ones(8, np.float32), np.arange(60), np.ones(60, np.float32))


@pytest.fixture
def documents():
    assert HIDDEN not in np.linspace(0, ROWS - 1, SAMPLED_ROWS, dtype=int)
    return random_documents(ROWS, TERMS, 12)


@pytest.fixture
def out(documents, tmp_path):
    return documents.write(tmp_path, shard=600)


def change(out, name, row, values):
    """Overwrite a row of a tensor in the bytes of the first shard."""
    path = out / "store" / "shard-000000.safetensors"
    shard = Shard(path)
    start = shard._start + shard._tensors[name]["data_offsets"][0]
    data = bytearray(path.read_bytes())
    array = np.frombuffer(data, getattr(shard, name).dtype, getattr(shard, name).size, start)
    array.reshape(shard._tensors[name]["shape"])[row] = values
    path.write_bytes(data)


DAMAGE = {
    "NaN in a vector": ("cls", np.nan, "a dense vector has NaN"),
    "infinity in a vector": ("cls", np.inf, "a dense vector has NaN or infinity"),
    "NaN in weights": ("weights", np.nan, "a weight is NaN"),
    "an id of no token": ("token_ids", 60, "not below 60"),
    "the largest id": ("token_ids", 65535, "not below 60"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_numbers_that_no_model_gives(out, damage):
    name, value, message = DAMAGE[damage]
    change(out, name, HIDDEN, value)
    store = ForwardStore(out / "store")  # which does not look at that row
    with pytest.raises(UserError, match=r"the document 'd7' .* damaged"):
        ExactScorer(store).parts(QUERY, np.arange(20))
    with pytest.raises(UserError, match=message):
        Postings.of(store, 12)
    with pytest.raises(UserError, match="checksum"):
        store.verify()
    with pytest.raises(UserError, match="checksum"):
        index(out, to="postings")
    change(out, name, slice(None), value)
    with pytest.raises(UserError, match=message):
        ForwardStore(out / "store")


def test_weights_of_zero_are_numbers_and_only_the_checksum_tells(out):
    change(out, "weights", slice(None), 0)
    store = ForwardStore(out / "store")
    with pytest.raises(UserError, match=r"shard-000000.safetensors \(its checksum"):
        store.verify()


def test_a_store_without_checksums_opens_and_its_numbers_are_verified(out, caplog):
    info = StoreInfo.read(out / "store")
    replace(info, checksums=None).write(out / "store")
    index(out, to="postings")
    with caplog.at_level("INFO", "pyserini_dupmae"):
        open_collection(out, "hybrid", "scan", verify=True)
    assert "has no checksums" in caplog.text
    change(out, "weights", HIDDEN, np.inf)
    with pytest.raises(UserError, match="a weight is NaN or infinite"):
        ForwardStore(out / "store").verify()
    change(out, "weights", HIDDEN, 1e6)
    with pytest.raises(UserError, match="larger than its store says"):
        ForwardStore(out / "store").verify()


@pytest.mark.parametrize("left", [0, 5, 8, 50, 1000, -1])
def test_a_shard_that_is_cut_short(out, left):
    path = out / "store" / "shard-000001.safetensors"
    path.write_bytes(path.read_bytes()[:left])
    with pytest.raises(UserError, match=r"cannot read the shard .*shard-000001"):
        ForwardStore(out / "store")


@pytest.mark.parametrize("header", ["", "[1]", '"x"', "{}", '{"cls": 5}', "[" * 100_000, '{"cls": {"shape": []}}'])
def test_a_shard_with_another_header(out, header):
    path = out / "store" / "shard-000001.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header.encode() + b"0" * 100)
    with pytest.raises(UserError, match=r"cannot read the shard .*shard-000001"):
        ForwardStore(out / "store")


def test_damaged_docids(out):
    path = out / "store" / "shard-000000.safetensors"
    shard = Shard(path)
    place = shard._start + shard._tensors["docids"]["data_offsets"][0]
    data = bytearray(path.read_bytes())
    data[place] = 0xFF
    path.write_bytes(data)
    store = ForwardStore(out / "store")
    for read in (lambda: store.docids[0], lambda: list(store.docids)):
        with pytest.raises(UserError, match="no UTF-8"):
            read()
    assert store.docids[1] == "d1"


@pytest.mark.parametrize(
    "content", [None, "", "{}", '["term0"]', json.dumps([*TERMS[:-1], 5]), json.dumps(TERMS[::-1]), "[" * 100_000]
)
def test_terms_that_are_not_the_models(out, content):
    path = out / "store" / "terms.json"
    path.unlink() if content is None else path.write_text(content)
    with pytest.raises(UserError, match=r"terms\.json"):
        _ = ForwardStore(out / "store").terms
    with pytest.raises(UserError, match=r"terms\.json"):
        index(out, to="postings")


@pytest.mark.parametrize(
    "values",
    [{"shards": "x"}, {"documents": "x"}, {"top_k": None}, {"max_weight": "x"}, {"checksums": [1]}, {"part": [1]}],
)
def test_a_store_json_of_the_wrong_types(out, values):
    path = out / "store" / "store.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))
    with pytest.raises(UserError, match=r"store\.json is damaged"):
        ForwardStore(out / "store")


@pytest.mark.parametrize("kind", ["postings", "faiss"])
def test_the_same_docids_with_other_numbers_are_another_collection(out, documents, tmp_path, kind):
    index(out, to=kind)
    other = random_documents(ROWS, TERMS, 12, seed=1)
    other.write(tmp_path / "other", shard=600)
    assert IndexInfo.read(out / kind).collection is not None
    for name in ("shard-000000.safetensors", "shard-000001.safetensors", "store.json"):
        (out / "store" / name).write_bytes((tmp_path / "other" / "store" / name).read_bytes())
    with pytest.raises(UserError, match="built from other texts or vectors than"):
        open_collection(out, "dense", "scan")


def test_a_damaged_index_is_found_where_it_is_verified(out):
    index(out, to="postings")
    open_collection(out, "hybrid", "scan", verify=True)
    path = out / "postings" / "weights.bf16"
    data = bytearray(path.read_bytes())
    data[100] ^= 1
    path.write_bytes(data)
    open_collection(out, "hybrid", "scan")
    with pytest.raises(UserError, match=r"postings is damaged \(changed weights.bf16\)"):
        open_collection(out, "hybrid", "scan", verify=True)
