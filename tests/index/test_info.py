from __future__ import annotations

import json
from dataclasses import replace

import pytest

from pyserini_dupmae.index.info import INFO_JSON, IndexInfo
from pyserini_dupmae.util.errors import UserError


def test_reads_what_was_written(documents, tmp_path):
    dense = IndexInfo("faiss", documents.model, 100, "hash", ["../store"], factory="Flat", flat=True)
    sparse = replace(dense, kind="lucene", factory=None, flat=None, top_k=3, bits=8, scale=0.25)
    for info in (dense, sparse):
        info.write(tmp_path)
        assert IndexInfo.read(tmp_path) == info
    assert "factory" not in json.loads((tmp_path / INFO_JSON).read_text())


def test_finds_its_stores(documents, tmp_path):
    info = IndexInfo("faiss", documents.model, 100, "hash", ["../store", "../../b/store"])
    assert info.store_folders(tmp_path / "a" / "faiss") == [tmp_path / "a" / "store", tmp_path / "b" / "store"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "damaged"),
        ('{"format": 1}', "damaged"),
        ('{"format": 1, "kind": "faiss", "model": {}}', "damaged"),
        ('{"format": 99}', "another format version"),
        (None, f"has no {INFO_JSON}.*python -m pyserini_dupmae.index"),
    ],
)
def test_a_folder_that_is_no_index(content, message, tmp_path):
    if content is not None:
        (tmp_path / INFO_JSON).write_text(content)
    with pytest.raises(UserError, match=message):
        IndexInfo.read(tmp_path)


def test_no_such_folder(tmp_path):
    with pytest.raises(UserError, match=r"no DupMAE index in .*missing: it does not exist"):
        IndexInfo.read(tmp_path / "missing")
