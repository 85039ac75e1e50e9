"""Loading a store into Milvus Lite: what goes on, what is refused, credentials."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest

import pyserini_dupmae.api as dupmae
from pyserini_dupmae.index import milvus as loading
from pyserini_dupmae.index import milvus_client
from pyserini_dupmae.index.milvus_client import Milvus
from pyserini_dupmae.search.milvus_engine import open_milvus


def test_the_order_of_equal_weights_is_kept():
    random = np.random.default_rng(0)
    for _ in range(50):
        weights = -np.sort(-random.integers(1, 4, 20).astype(np.float32))
        ids = random.permutation(900)[:20].astype(np.int32)
        document = loading.Loaded("d", random.random(4, np.float32), ids, weights)
        fields = loading.to_fields(7, document, 1000)
        assert fields["places"]
        assert loading.from_fields(fields, 1000).digest() == document.digest()
    document = replace(document, weights=-np.sort(-random.random(20, np.float32)))
    assert loading.to_fields(7, document, 1000)["places"] == ""


class Killed(BaseException):
    """The loader is gone."""


@pytest.mark.parametrize("calls", [1, 4])
def test_loading_goes_on_after_an_interruption(calls, encoded, tmp_path, monkeypatch):
    """It is interrupted before a batch, and after one of which nobody heard that it had arrived."""
    monkeypatch.setattr(loading, "BATCH", 64)
    monkeypatch.setattr(loading, "ANSWER_BYTES", 1)
    uri = str(tmp_path / "milvus.db")
    ask, sent = Milvus.ask, []

    def dying(self, method, *args, **kwargs):
        if method == "upsert":
            sent.append(len(args[1]))
            if len(sent) > calls:
                if calls % 2:
                    ask(self, method, args[0], args[1][:20])
                raise Killed
        return ask(self, method, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(Milvus, "ask", dying)
        with pytest.raises(Killed):
            dupmae.index(encoded, to="milvus", uri=uri)
    with pytest.raises(dupmae.UserError, match="is not complete; run the command again that loads it"):
        open_milvus(uri)
    sent.clear()
    calls = 100
    with monkeypatch.context() as patch:
        patch.setattr(Milvus, "ask", dying)
        dupmae.index(encoded, to="milvus", uri=uri)
    assert len(sent) <= 5
    open_milvus(uri).close()
    with pytest.raises(dupmae.UserError, match=r"the collection dupmae in .* is complete; give --overwrite"):
        dupmae.index(encoded, to="milvus", uri=uri)
    dupmae.index(encoded, to="milvus", uri=uri, overwrite=True)


def test_other_settings_do_not_go_on(encoded, tmp_path, monkeypatch):
    uri = str(tmp_path / "milvus.db")
    monkeypatch.setattr(loading._Loader, "_send", lambda *_: (_ for _ in ()).throw(Killed))
    with pytest.raises(Killed):
        dupmae.index(encoded, to="milvus", uri=uri)
    with pytest.raises(dupmae.UserError, match="was loaded with top_k 24, not 5; give --overwrite"):
        dupmae.index(encoded, to="milvus", uri=uri, top_k=5)
    with pytest.raises(dupmae.UserError, match="was loaded with dense_index 'FLAT', not 'HNSW'"):
        dupmae.index(encoded, to="milvus", uri=uri, milvus_index="HNSW")


def test_what_arrives_otherwise_is_not_called_complete(encoded, tmp_path, monkeypatch):
    uri = str(tmp_path / "milvus.db")
    fields = loading.to_fields

    def rounded(row, document, vocab_size):
        found = fields(row, document, vocab_size)
        return {**found, "cls": found["cls"].astype(np.float16).astype(np.float32)}

    monkeypatch.setattr(loading, "to_fields", rounded)
    with pytest.raises(dupmae.UserError, match="is not as it was sent; load it again with --overwrite"):
        dupmae.index(encoded, to="milvus", uri=uri)
    with pytest.raises(dupmae.UserError, match="is not complete"):
        open_milvus(uri)


def test_another_collection_is_not_dropped(encoded, tmp_path):
    milvus = Milvus(str(tmp_path / "milvus.db"))
    milvus.ask("create_collection", "theirs", dimension=4)
    with pytest.raises(dupmae.UserError, match="was not made by pyserini_dupmae; name another with --collection"):
        dupmae.index(encoded, to="milvus", uri=milvus.uri, collection="theirs", overwrite=True)
    assert milvus.ask("has_collection", "theirs")
    milvus.close()


def test_what_cannot_be_loaded(encoded, tmp_path):
    with pytest.raises(dupmae.UserError, match="--to-milvus and --uri belong together"):
        dupmae.index(encoded, to="milvus")
    with pytest.raises(dupmae.UserError, match="--to-milvus and --uri belong together"):
        dupmae.index(encoded, to="postings", uri="milvus.db", output=tmp_path)
    with pytest.raises(dupmae.UserError, match="unknown dense index 'FAST'; choose one of FLAT, HNSW, IVF_FLAT"):
        dupmae.index(encoded, to="milvus", uri="milvus.db", milvus_index="FAST")


def test_without_pymilvus_the_error_says_what_to_install(encoded, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "pymilvus", None)
    with pytest.raises(dupmae.UserError, match=r'needs pymilvus, which is not installed: pip install "pyserini_dupmae'):
        dupmae.index(encoded, to="milvus", uri=str(tmp_path / "milvus.db"))


def test_credentials_come_from_the_environment_and_are_not_shown(monkeypatch, tmp_path):
    given = []

    class Refusing:
        def __init__(self, **options):
            given.append(options["token"])
            raise milvus_error(f"user root:{options['token'].partition(':')[2]} is not known, nor {options['token']}")

    monkeypatch.setattr("pymilvus.MilvusClient", Refusing)
    monkeypatch.setattr(milvus_client, "PAUSE_SECONDS", 0.0)
    monkeypatch.delenv(milvus_client.TOKEN, raising=False)
    file = tmp_path / "token"
    file.write_text("root:of-a-file\n", encoding="utf-8")
    monkeypatch.setenv(milvus_client.TOKEN_FILE, str(file))
    with pytest.raises(dupmae.UserError, match="does not answer") as from_file:
        Milvus("http://localhost:1")
    monkeypatch.setenv(milvus_client.TOKEN, "root:secret")
    with pytest.raises(dupmae.UserError, match=r"\(connect: user \*\*\* is not known, nor \*\*\*\)") as raised:
        Milvus("http://localhost:1")
    assert "secret" not in str(raised.value)
    assert "of-a-file" not in str(from_file.value)
    assert set(given) == {"root:of-a-file", "root:secret"}
    monkeypatch.delenv(milvus_client.TOKEN)
    monkeypatch.setenv(milvus_client.TOKEN_FILE, str(tmp_path / "none"))
    with pytest.raises(dupmae.UserError, match=r"cannot read .*none, which MILVUS_TOKEN_FILE names"):
        Milvus("http://localhost:1")
    for address in ("http://root:secret@localhost:1", "http://root@localhost:1"):
        with pytest.raises(dupmae.UserError, match="--uri holds credentials; give them by MILVUS_TOKEN") as raised:
            Milvus(address)
        assert "secret" not in str(raised.value)


def milvus_error(message: str) -> Exception:
    from pymilvus.exceptions import MilvusException

    return MilvusException(message=message)


@pytest.mark.parametrize("given", ["soon", "0", "-1", "nan"])
def test_a_time_to_wait_that_is_none(given, monkeypatch):
    monkeypatch.setenv(milvus_client.TIMEOUT, given)
    with pytest.raises(dupmae.UserError, match=f"MILVUS_TIMEOUT is '{given}'; give a number of seconds above 0"):
        milvus_client.answer_seconds()
