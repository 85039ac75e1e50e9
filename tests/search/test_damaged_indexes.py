"""Indexes that are damaged: one sentence where they are opened or searched, without Java's stack."""

import math
import shutil

import numpy as np
import pytest

from pyserini_dupmae.index import index
from pyserini_dupmae.modeling.query_encoder import EncodedQuery
from pyserini_dupmae.search import fusion
from pyserini_dupmae.search.engines import open_collection
from pyserini_dupmae.util.errors import UserError
from tests.index.conftest import random_documents

QUERY = EncodedQuery(np.ones(8, np.float32), np.arange(60), np.ones(60, np.float32))


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A store with both indexes."""
    out = random_documents(300, [f"term{i}" for i in range(60)], 12).write(tmp_path_factory.mktemp("whole"))
    index(out, to=["faiss", "lucene"])
    return out


@pytest.fixture
def out(whole, tmp_path, monkeypatch):
    """A copy of it, of which a search takes lists."""
    monkeypatch.setattr(fusion, "FIRST_DEPTH", 8)
    monkeypatch.setattr(fusion, "LONGEST_LIST", math.inf)
    return shutil.copytree(whole, tmp_path / "out")


def use(out, **options):
    engines = open_collection(out, "hybrid", "lists", **options)
    engines.ranker("hybrid").search([QUERY], 5, 5)
    engines.document("d3")
    engines.close()


def damaged(content, how):
    if how == "flipped":
        third = len(content) // 3
        return content[:third] + bytes(byte ^ 0xFF for byte in content[third:-third]) + content[-third:]
    return content[: len(content) // 2] if how == "cut" else b""


@pytest.mark.parametrize("how", ["cut", "flipped", "empty", "gone"])
@pytest.mark.parametrize("name", ["lucene/*.fdt", "lucene/*.doc", "lucene/*.tim", "lucene/segments_*", "faiss/index"])
def test_what_is_damaged_is_said_at_the_latest_where_it_is_verified(out, name, how):
    use(out, verify=True)
    (file,) = out.glob(name)
    if how == "gone":
        file.unlink()
    else:
        file.write_bytes(damaged(file.read_bytes(), how))
    # Neither Lucene nor FAISS reads all that it opens.
    hidden = how == "flipped" and name in ("lucene/*.tim", "faiss/index")
    with pytest.raises(UserError, match=str(file.parent)) as caught:
        use(out, verify=hidden)
    assert "\n" not in str(caught.value)
