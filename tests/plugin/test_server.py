"""Pyserini's REST and MCP servers over an encoded collection, as processes, with the index type ``hybrid``.

`tests.plugin.conftest` leaves this file out where Pyserini is older than 2.1: its servers read no configuration of
indexes there, so that there is no type to add to.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest
import yaml

from tests.helpers import RunCommand

Ask = Callable[..., tuple[int, dict[str, Any]]]
QUERY = "choose k unique random elements"
HITS = 10
PATIENCE = 600  # seconds


@pytest.fixture(scope="module")
def with_texts(
    tiny_model_dir: Path, corpus_file: Path, run_command: RunCommand, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The shared collection, encoded with its texts."""
    output = tmp_path_factory.mktemp("server") / "out"
    words = ["input", "--corpus", corpus_file, "output", "--index", output, "--store-contents"]
    finished = run_command("encode", *words, "encoder", "--encoder", tiny_model_dir)
    assert finished.returncode == 0, finished.stderr
    return output


@pytest.fixture(scope="module")
def config(with_texts: Path, encoded: Path, tiny_model_dir: Path, linear_model_dir: Path) -> Path:
    """A server's configuration, beside the collection."""
    model, other = str(tiny_model_dir), str(linear_model_dir)
    indexes = {
        "hybrid": {"path": "out", "index_type": "hybrid", "encoder": model},
        "texts": {"path": "out/lucene"},
        "sparse": {"path": "out/lucene", "index_type": "impact", "encoder": model, "base_index": "texts"},
        "dense": {"path": "out/faiss", "index_type": "faiss", "encoder": model, "base_index": "texts"},
        "elsewhere": {"path": str(encoded), "index_type": "hybrid", "encoder": model, "base_index": "texts"},
        "without-texts": {"path": str(encoded), "index_type": "hybrid", "encoder": model},
        "other-model": {"path": "out", "index_type": "hybrid", "encoder": other},
        "no-model": {"path": "out", "index_type": "hybrid", "encoder": str(with_texts / "no-dupmae")},
        "other-dense": {"path": "out/faiss", "index_type": "faiss", "encoder": other, "base_index": "texts"},
        "no-collection": {"path": "out/store", "index_type": "hybrid", "encoder": model},
    }
    path = with_texts.parent / "server.yaml"
    path.write_text(yaml.safe_dump({"indexes": indexes}), encoding="utf-8")
    return path


@pytest.fixture(scope="module", params=[["--no-prebuilt-indexes"], []], ids=["configured", "all"])
def ask(request: pytest.FixtureRequest, config: Path) -> Iterator[Ask]:
    """Asks a REST server, which is started with and without the option, and gives the status and the answer."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ["-m", "pyserini.server.rest", "--host", "127.0.0.1", "--port", str(port), "--config", str(config)]
    log = config.with_name(f"{request.node.name}.log")

    def get(place: str, **parameters: object) -> tuple[int, dict[str, Any]]:
        try:
            with urlopen(f"http://127.0.0.1:{port}{place}?{urlencode(parameters)}", timeout=PATIENCE) as answer:
                return answer.status, json.load(answer)
        except HTTPError as error:
            return error.code, json.load(error)

    with log.open("w") as stream, subprocess.Popen([sys.executable, *words, *request.param], stderr=stream) as server:
        try:
            _wait(get, server, log)
            yield get
        finally:
            server.terminate()


def _wait(get: Ask, server: subprocess.Popen, log: Path) -> None:
    """Until the server answers."""
    end = time.monotonic() + PATIENCE
    while server.poll() is None and time.monotonic() < end:
        try:
            get("/")
        except (URLError, ConnectionError):
            time.sleep(0.2)
        else:
            return
    pytest.fail(log.read_text("utf-8"))


@pytest.fixture(scope="session")
def texts(corpus: list[tuple[str, str]]) -> dict[str, str]:
    """docid -> text, as `encode` keeps it."""
    return {docid: text.strip() for docid, text in corpus}


def both(parts: tuple, corpus: list, topics: list, query: str) -> dict[str, tuple[float, float]]:
    """docid -> the parts of Eq. 12 for a query."""
    row = [text for _, text in topics].index(query)
    return {docid: (parts[0][row][i], parts[1][row][i]) for i, (docid, _) in enumerate(corpus)}


def test_the_type_hybrid_answers_eq12_with_its_parts(
    ask: Ask, parts: tuple, corpus: list, topics: list, texts: dict[str, str]
):
    for _, query in topics[:5]:
        status, answer = ask("/v1/hybrid/search", query=query, hits=HITS)
        assert status == 200
        assert answer["query"] == {"text": query}
        expected = both(parts, corpus, topics, query)
        best = sorted(map(sum, expected.values()), reverse=True)[:HITS]
        found = answer["candidates"]
        assert [hit["rank"] for hit in found] == list(range(1, HITS + 1))
        assert [hit["score"] for hit in found] == pytest.approx(best, rel=1e-4, abs=1e-5)
        for hit in found:
            assert list(hit) == ["docid", "score", "rank", "doc", "dense", "sparse"]
            assert (hit["dense"], hit["sparse"]) == pytest.approx(expected[hit["docid"]], rel=1e-4, abs=1e-5)
            assert hit["score"] == pytest.approx(hit["dense"] + hit["sparse"], rel=1e-6, abs=2e-6)
            assert hit["doc"] == texts[hit["docid"]]


def test_more_hits_than_documents(ask: Ask, corpus: list):
    status, answer = ask("/v1/hybrid/search", query=QUERY, hits=1000)
    assert status == 200
    assert sorted(hit["docid"] for hit in answer["candidates"]) == sorted(docid for docid, _ in corpus)


def test_the_same_question_has_the_same_answer(ask: Ask):
    first, second = (ask("/v1/hybrid/search", query=QUERY, hits=3) for _ in range(2))  # the second from the cache
    assert first == second
    assert first[0] == 200


def test_each_part_alone_is_pyserini_s(ask: Ask, parts: tuple, corpus: list, topics: list):
    expected = both(parts, corpus, topics, QUERY)
    status, answer = ask("/v1/dense/search", query=QUERY, hits=HITS)
    assert status == 200
    best = sorted((dense for dense, _ in expected.values()), reverse=True)[:HITS]
    assert [hit["score"] for hit in answer["candidates"]] == pytest.approx(best, rel=1e-4, abs=1e-5)
    assert list(answer["candidates"][0]) == ["docid", "score", "rank", "doc"]
    status, answer = ask("/v1/sparse/search", query=QUERY, hits=HITS)
    assert status == 200
    assert len(answer["candidates"]) == HITS
    assert all(expected[hit["docid"]][1] > 0 for hit in answer["candidates"])


def test_documents(ask: Ask, corpus: list, texts: dict[str, str]):
    docid = corpus[7][0]
    for index in ("hybrid", "dense", "sparse", "texts"):
        status, answer = ask(f"/v1/{index}/doc/{docid}")
        assert (status, answer["doc"]) == (200, texts[docid])
    status, answer = ask("/v1/hybrid/doc/absent")
    assert status == 404


def test_a_collection_that_was_encoded_without_its_texts(ask: Ask):
    status, answer = ask("/v1/without-texts/search", query=QUERY, hits=2)
    assert status == 200
    assert [hit["doc"] for hit in answer["candidates"]] == [None, None]


def test_texts_of_another_index(ask: Ask, texts: dict[str, str]):
    status, answer = ask("/v1/elsewhere/search", query=QUERY, hits=2)
    assert status == 200
    assert [hit["doc"] for hit in answer["candidates"]] == [texts[hit["docid"]] for hit in answer["candidates"]]


@pytest.mark.parametrize(
    ("index", "message"),
    [
        ("other-model", "was built with another model: its ot_head"),
        ("other-dense", "was built with another model: its ot_head"),
        ("no-model", "no model '"),
        ("no-collection", "lucene"),
    ],
)
def test_a_mistake_is_one_line(ask: Ask, index: str, message: str):
    status, answer = ask(f"/v1/{index}/search", query=QUERY)
    assert status == 400
    assert answer["error"].startswith(f"Unable to open index: {index}: ")
    assert message in answer["error"]
    assert "\n" not in answer["error"]


def test_parameters_of_bm25_are_refused(ask: Ask):
    status, answer = ask("/v1/hybrid/search", query=QUERY, k1=1, b=0.5)
    assert status == 400
    assert "BM25" in answer["error"]


@pytest.fixture(scope="module")
def told(config: Path, tiny_model_dir: Path, linear_model_dir: Path) -> dict[str, list[str]]:
    """question -> what the tool ``search`` of an MCP server, a process that talks on its standard streams, answers."""
    questions = {index: {"index": index} for index in ("hybrid", "dense", "sparse", "other-model")}
    questions["its model"] = {"index": "hybrid", "encoder": f"{tiny_model_dir}/"}
    questions["another model"] = {"index": "hybrid", "encoder": str(linear_model_dir)}
    return asyncio.run(_search_by_mcp(config, questions))


async def _search_by_mcp(config: Path, questions: dict[str, dict[str, str]]) -> dict[str, list[str]]:
    from fastmcp import Client
    from fastmcp.client.transports import StdioTransport

    command = ["-m", "pyserini.server.mcp", "--config", str(config)]
    answers = {}
    environment = os.environ | {"FASTMCP_CHECK_FOR_UPDATES": "off"}
    async with Client(StdioTransport(sys.executable, command, env=environment)) as client:
        for name, question in questions.items():
            answer = await client.call_tool("search", {"query": QUERY, "hits": HITS, **question}, raise_on_error=False)
            (block,) = answer.content
            answers[name] = [block.text] if answer.is_error else json.loads(block.text)
    return answers


def test_the_mcp_server_answers_eq12_with_its_parts(
    told: dict[str, list[str]], parts: tuple, corpus: list, topics: list, texts: dict[str, str]
):
    assert told["hybrid"][0] == f"Query Results for: {QUERY}"
    expected = both(parts, corpus, topics, QUERY)
    best = sorted(map(sum, expected.values()), reverse=True)[:HITS]
    lines, documents = told["hybrid"][1::2], told["hybrid"][2::2]
    for line, text, score in zip(lines, documents, best, strict=True):
        found = dict(part.split(": ") for part in line.split(" | "))
        assert list(found) == ["DocID", "Score", "Dense", "Sparse"]
        assert float(found["Score"]) == pytest.approx(score, rel=1e-4, abs=1e-5)
        shown = float(found["Dense"]), float(found["Sparse"])
        assert shown == pytest.approx(expected[found["DocID"]], rel=1e-4, abs=1e-5)
        assert text == texts[found["DocID"]]


@pytest.mark.parametrize("index", ["dense", "sparse"])
def test_the_mcp_server_searches_each_part(told: dict[str, list[str]], index: str):
    assert len(told[index]) == 1 + 2 * HITS
    assert all(line.count(" | ") == 1 for line in told[index][1::2])


def test_the_mcp_server_says_what_is_wrong(told: dict[str, list[str]]):
    (line,) = told["other-model"]
    assert "Unable to open index: other-model: " in line
    assert "was built with another model: its ot_head" in line
    assert "\n" not in line


def test_an_encoder_that_the_mcp_server_is_told_is_checked_after_the_index_was_opened(told: dict[str, list[str]]):
    assert told["its model"] == told["hybrid"]
    (line,) = told["another model"]
    assert "was built with another model: its ot_head" in line
