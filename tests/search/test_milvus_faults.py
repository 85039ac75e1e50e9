"""A Milvus that goes away, is slow, or comes back: the right answer, or an error; never a part of one."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import pyserini_dupmae.api as dupmae
from pyserini_dupmae.index import milvus as loading
from pyserini_dupmae.index import milvus_client
from pyserini_dupmae.search import milvus_store
from pyserini_dupmae.search.milvus_engine import open_milvus
from tests.search.proxy import Proxy

HITS = 30
pytestmark = pytest.mark.slow


class Server:
    """A server of Milvus Lite as a process, which is killed and started again with the same folder and port."""

    def __init__(self, folder: Path):
        self.folder = folder
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        self.start()

    def start(self) -> None:
        program = "from milvus_lite.adapter.grpc.server import run_server; import sys; "
        program += "run_server(sys.argv[1], '127.0.0.1', int(sys.argv[2]))"
        command = [sys.executable, "-c", program, str(self.folder), str(self.port)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        for _ in range(600):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            assert self.process.poll() is None
            time.sleep(0.1)
        raise AssertionError("the server does not listen")

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture(scope="module")
def server(encoded: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with the collection."""
    running = Server(tmp_path_factory.mktemp("server") / "data")
    dupmae.index(encoded, to="milvus", uri=f"http://127.0.0.1:{running.port}")
    yield running
    running.kill()


@pytest.fixture
def proxy(server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """A proxy in front of the server, and a client that soon gives up."""
    monkeypatch.setenv(milvus_client.TIMEOUT, "3")
    monkeypatch.setattr(milvus_client, "PAUSE_SECONDS", 0.2)
    monkeypatch.setattr(milvus_client, "CONNECT_SECONDS", 1.0)
    monkeypatch.setattr(milvus_store, "BATCH", 20)
    found = Proxy(server.port)
    yield found
    found.close()


@pytest.fixture(scope="module")
def expected(encoded: Path, tiny_model_dir: Path, topics: list, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The run of the store."""
    output = tmp_path_factory.mktemp("expected") / "run.txt"
    return dupmae.search(encoded, topics=topics, output=output, encoder=tiny_model_dir, hits=HITS).path.read_bytes()


@pytest.fixture
def search(proxy: Proxy, tiny_model_dir: Path, topics: list, tmp_path: Path):
    """``search()`` gives the run through the proxy."""

    def run() -> bytes:
        arguments = {"topics": topics, "encoder": tiny_model_dir, "hits": HITS, "batch_size": 2, "threads": 1}
        return dupmae.search(uri=proxy.uri, output=tmp_path / "run.txt", **arguments).path.read_bytes()

    return run


def during(proxy: Proxy, share: float, whole: int, action) -> threading.Thread:
    """Do something when so large a share of all answers has passed."""

    def wait() -> None:
        while proxy.passed < share * whole:
            time.sleep(0.001)
        action()

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    return thread


@pytest.fixture
def size(proxy: Proxy, search, expected: bytes) -> int:
    """Bytes of the answers of a whole search."""
    assert search() == expected
    passed, proxy.passed = proxy.passed, 0
    return passed


@pytest.mark.usefixtures("short_lists")
def test_connections_that_are_dropped(proxy, search, size, expected):
    threads = [during(proxy, share, size, proxy.drop) for share in (0.1, 0.4, 0.7)]
    assert search() == expected
    for thread in threads:
        thread.join(timeout=10)
        assert not thread.is_alive()


@pytest.mark.usefixtures("short_lists")
def test_answers_that_are_cut(proxy, search, size, expected):
    proxy.cuts = [10, 500, size // 5, size // 3]
    proxy.drop()  # what is open stays so from one search to the next
    assert search() == expected
    assert proxy.cuts == []


@pytest.mark.usefixtures("short_lists")
def test_a_server_that_goes_away_in_the_middle_and_comes_back(proxy, search, size, expected):
    def leave() -> None:
        proxy.go_down()
        time.sleep(0.7)
        proxy.is_up = True

    thread = during(proxy, 0.5, size, leave)
    assert search() == expected
    thread.join(timeout=10)
    assert not thread.is_alive()


@pytest.mark.usefixtures("short_lists")
@pytest.mark.parametrize("share", [0.0, 0.5])
def test_a_server_that_stays_away(share, proxy, search, size, monkeypatch, tmp_path, caplog):
    monkeypatch.setenv(milvus_client.TIMEOUT, "0.5")
    (tmp_path / "run.txt").unlink()
    if share:
        during(proxy, share, size, proxy.go_down)
    else:
        proxy.go_down()
    message = rf"Milvus at {proxy.uri} does not answer .*, after 6 attempts; see whether"
    with caplog.at_level("WARNING", "pyserini_dupmae"), pytest.raises(dupmae.UserError, match=message):
        search()
    said = [record.message for record in caplog.records if "attempt" in record.message]
    assert [line.partition("; attempt ")[2][:6] for line in said] == [f"{attempt} of 6" for attempt in range(2, 7)]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("short_lists")
def test_a_slow_server(proxy, search, size, expected, monkeypatch):
    proxy.delay = 0.02
    assert search() == expected
    proxy.delay = 2.0
    monkeypatch.setenv(milvus_client.TIMEOUT, "0.5")
    monkeypatch.setattr(milvus_client, "ATTEMPTS", 2)
    with pytest.raises(dupmae.UserError, match="does not answer"):
        search()


def test_loading_through_a_proxy_that_drops_and_cuts(proxy, encoded, queries, monkeypatch):
    monkeypatch.setattr(loading, "BATCH", 16)
    proxy.cuts = [2000, 3000, 40_000]
    proxy.drop()
    during(proxy, 1.0, 60_000, proxy.drop)
    dupmae.index(encoded, to="milvus", uri=proxy.uri, collection="again")
    assert proxy.cuts == []
    assert_same(proxy.uri, "again", queries)


def test_a_server_that_is_killed_while_loading(proxy, server, encoded, queries, monkeypatch):
    monkeypatch.setattr(loading, "BATCH", 16)
    sent = []
    ask = milvus_client.Milvus.ask

    def killing(self, method, *args, **kwargs):
        if method == "upsert":
            sent.append(args)
            if len(sent) == 8:
                server.kill()
                threading.Thread(target=server.start).start()
        return ask(self, method, *args, **kwargs)

    monkeypatch.setenv(milvus_client.TIMEOUT, "20")
    monkeypatch.setattr(milvus_client, "PAUSE_SECONDS", 1.0)
    monkeypatch.setattr(milvus_client.Milvus, "ask", killing)
    dupmae.index(encoded, to="milvus", uri=proxy.uri, collection="killed")
    assert_same(proxy.uri, "killed", queries)


@pytest.mark.usefixtures("short_lists")
def test_a_server_that_is_killed_and_started_again_while_searching(proxy, server, search, size, expected, monkeypatch):
    monkeypatch.setattr(milvus_client, "PAUSE_SECONDS", 1.0)

    def restart() -> None:
        server.kill()
        server.start()

    thread = during(proxy, 0.5, size, restart)
    assert search() == expected
    thread.join(timeout=60)
    assert not thread.is_alive()


def assert_same(uri: str, name: str, queries: list) -> None:
    """The collection gives the rankings of the one that was loaded without any fault."""
    one, other = open_milvus(uri, name), open_milvus(uri)
    assert loading.count(one.exact.store.milvus, name) == 301
    for mine, theirs in zip(one.ranker().search(queries, 20), other.ranker().search(queries, 20), strict=True):
        assert np.array_equal(mine.rows, theirs.rows)
        assert np.array_equal(mine.scores, theirs.scores)
    one.close()
    other.close()
