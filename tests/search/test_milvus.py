"""A collection in Milvus Lite: the rankings of the other engines, and refusals."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import pyserini_dupmae.api as dupmae
from pyserini_dupmae import DupMAESearcher
from pyserini_dupmae.index import milvus as loading
from pyserini_dupmae.index.milvus import MilvusInfo
from pyserini_dupmae.index.milvus_client import Milvus
from pyserini_dupmae.search import milvus_engine
from pyserini_dupmae.search.engines import open_collection
from pyserini_dupmae.search.milvus_engine import MilvusDense, MilvusEngine, MilvusSparse, open_milvus
from pyserini_dupmae.store import ForwardStore
from tests.search.exhaustive import brute_force

NAME = "docs"


@pytest.fixture(scope="module")
def uri(encoded: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The collection in Milvus Lite, with batches small enough for several."""
    uri = str(tmp_path_factory.mktemp("milvus") / "milvus.db")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loading, "BATCH", 64)
        patch.setattr(loading, "ANSWER_BYTES", 1)
        dupmae.index(encoded, to="milvus", uri=uri, collection=NAME)
    return uri


@pytest.fixture
def opened(uri: str) -> Iterator[MilvusEngine]:
    engine = open_milvus(uri, NAME)
    yield engine
    engine.close()


@pytest.fixture
def spoiled(encoded: Path, tmp_path: Path) -> Iterator[Milvus]:
    """A Milvus of its own, with the collection in it, that a test may spoil."""
    uri = str(tmp_path / "spoiled.db")
    dupmae.index(encoded, to="milvus", uri=uri, collection=NAME)
    milvus = Milvus(uri)
    yield milvus
    milvus.close()


def test_documents_come_back_as_they_are_in_the_store(opened, encoded):
    store = ForwardStore(encoded / "store")
    rows = np.random.default_rng(0).permutation(len(store))
    for one, other in zip(opened.exact.store.gather(rows), store.gather(rows), strict=True):
        kept = store.gather(rows)[2] > 0
        if one.shape == kept.shape and one.dtype == np.int32:
            one, other = one * kept, other * kept
        np.testing.assert_array_equal(one, other)
    assert opened.exact.docids.take(rows.tolist()) == store.docids.take(rows.tolist())
    assert opened.exact.docids.index("empty") == 300
    assert len(opened.exact.docids) == 301
    with pytest.raises(ValueError, match="is not among the docids"):
        opened.exact.docids.index('no "such" document')


@pytest.mark.parametrize("page", [16_384, 20])
@pytest.mark.parametrize("mode", ["dense", "sparse", "hybrid"])
@pytest.mark.usefixtures("short_lists")
def test_finds_what_brute_force_finds(mode, page, opened, documents, queries, monkeypatch):
    """Also where a list takes several pages, as one of more than 16,384 hits does."""
    monkeypatch.setattr(milvus_engine, "PAGE", page)
    rankings = opened.ranker(mode).search(queries, 30)
    for query, ranking in zip(queries, rankings, strict=True):
        expected = brute_force(documents, query, mode, 30)
        assert ranking.proved
        assert [hit.docid for hit in opened.hits(ranking)] == [docid for docid, _ in expected]
        assert ranking.scores.tolist() == pytest.approx([score for _, score in expected], rel=1e-5)
    assert min(ranking.depth for ranking in rankings) < 301


@pytest.mark.parametrize("options", [{}, {"mode": "dense"}, {"mode": "sparse"}, {"remove_query": True}], ids=str)
def test_the_run_is_that_of_scan_and_lists(
    options, uri, encoded, tiny_model_dir, topics, corpus, tmp_path, short_lists
):
    asked = [*topics, *((docid, text[:60]) for docid, text in corpus[:20])]
    arguments = {"topics": asked, "encoder": tiny_model_dir, "hits": 50, **options}
    runs = {}
    for engine in ("scan", "lists"):
        runs[engine] = dupmae.search(encoded, output=tmp_path / engine, engine=engine, **arguments)
    runs["milvus"] = dupmae.search(uri=uri, collection=NAME, output=tmp_path / "milvus", threads=2, **arguments)
    assert all(runs["milvus"].proved)
    assert runs["milvus"].document_terms == runs["scan"].document_terms
    assert len({run.path.read_bytes() for run in runs.values()}) == 1


@pytest.mark.usefixtures("short_lists")
@pytest.mark.parametrize("half", [0.0, 2.0**-11], ids=["float32", "half"])
def test_bounds_hold_whatever_the_order_of_the_sums(half, opened, documents, queries, monkeypatch):
    """Milvus's scores are moved by all that float32 sums, of weights in half precision too, can be off."""
    everything = np.arange(len(documents.docids))
    search = milvus_engine._List._search
    random = np.random.default_rng(0)

    def moved(self, vectors, limit, parameters):
        answers = []
        for vector, answer in zip(vectors, search(self, vectors, 301, {}), strict=True):
            if self.field == "cls":
                off = milvus_engine.ROUNDING * 16 / 2 * np.linalg.norm(vector) * self.store.info.largest_norm
                pairs = [(row, score + random.uniform(-off, off)) for row, score in answer]
            else:
                off = half + min(len(vector), self.store.top_k) * 2.0**-24
                pairs = [(row, score * (1 + random.uniform(-off, off))) for row, score in answer]
            pairs = [pair for pair in pairs if pair[1] <= parameters.get("range_filter", math.inf)]
            answers.append(sorted(pairs, key=lambda pair: -pair[1])[:limit])
        return answers

    monkeypatch.setattr(milvus_engine._List, "_search", moved)
    monkeypatch.setattr(milvus_engine, "PAGE", 25)
    store = opened.exact.store
    for query in queries[:5]:
        cls, ot = documents.parts(query, everything)
        for n in (1, 10, 60):
            (dense,) = MilvusDense(store).top([query], n, 1)
            assert len(set(dense.rows.tolist())) == len(dense.rows) == n
            assert np.delete(cls, dense.rows).max() <= dense.bound + 1e-6
            sparse = MilvusSparse(store).top(query, n)
            assert np.delete(ot, sparse.rows).max() <= sparse.bound * (1 + 1e-6)
    for query, ranking in zip(queries[:5], opened.ranker().search(queries[:5], 20), strict=True):
        assert ranking.proved
        expected = brute_force(documents, query, "hybrid", 20)
        assert [hit.docid for hit in opened.hits(ranking)] == [docid for docid, _ in expected]


@pytest.mark.usefixtures("short_lists")
def test_a_server_that_calls_the_primary_key_id(opened, queries, monkeypatch):
    expected = opened.ranker().search(queries, 20)
    ask = Milvus.ask

    def renamed(self, method, *args, **kwargs):
        found = ask(self, method, *args, **kwargs)
        if method != "search":
            return found
        return [[{"id": hit["row"], "distance": hit["distance"]} for hit in answer] for answer in found]

    monkeypatch.setattr(Milvus, "ask", renamed)
    for one, other in zip(opened.ranker().search(queries, 20), expected, strict=True):
        assert np.array_equal(one.rows, other.rows)


@pytest.mark.usefixtures("short_lists")
@pytest.mark.parametrize("field", ["cls", "mu"])
def test_scores_in_too_few_bits_are_refused(field, opened, queries, monkeypatch):
    search = milvus_engine._List._search

    def rounded(self, *arguments):
        answers = search(self, *arguments)
        if self.field != field:
            return answers
        return [[(row, float(f"{score:.2g}")) for row, score in answer] for answer in answers]

    monkeypatch.setattr(milvus_engine._List, "_search", rounded)
    with pytest.raises(
        dupmae.UserError, match=rf"gives '\S+' the score \S+ for {field}, but its numbers make .*too few"
    ):
        opened.ranker().search(queries, 20)


def test_a_page_of_equal_scores_ends_the_list(opened, queries, monkeypatch):
    def same(self, vectors, limit, parameters):
        return [[(row, 1.0) for row in range(limit)] for _ in vectors]

    monkeypatch.setattr(milvus_engine._List, "_search", same)
    monkeypatch.setattr(milvus_engine._List, "_compare", lambda *_: None)
    monkeypatch.setattr(milvus_engine, "PAGE", 40)
    (dense,) = MilvusDense(opened.exact.store).top(queries[:1], 100, 1)
    assert (len(dense.rows), dense.bound >= 1.0) == (40, True)
    sparse = MilvusSparse(opened.exact.store).top(queries[0], 100)
    assert (len(sparse.rows), sparse.bound >= 1.0) == (40, True)


@pytest.mark.usefixtures("short_lists")
@pytest.mark.parametrize("kind", ["HNSW", "IVF_FLAT"])
def test_an_approximate_index_proves_nothing(kind, encoded, documents, queries, tmp_path, caplog):
    uri = str(tmp_path / "milvus.db")
    dupmae.index(encoded, to="milvus", uri=uri, milvus_index=kind)
    with caplog.at_level("WARNING", "pyserini_dupmae"):
        engine = open_milvus(uri)
    assert f"has the index {kind}, which is approximate: nothing is proved" in caplog.text
    for query, ranking in zip(queries, engine.ranker().search(queries, 10), strict=True):
        assert not ranking.proved
        exact = dict(brute_force(documents, query, "hybrid", 301))
        found = [(hit.docid, hit.score) for hit in engine.hits(ranking)]
        assert [score for _, score in found] == pytest.approx([exact[docid] for docid, _ in found])
    engine.close()


def test_fewer_weights_than_the_store_has(encoded, queries, tmp_path):
    uri = str(tmp_path / "few.db")
    dupmae.index(encoded, to="milvus", uri=uri, top_k=5)
    dupmae.index(encoded, to=["faiss", "lucene"], output=tmp_path / "few", top_k=5)
    engine, other = open_milvus(uri), open_collection(tmp_path / "few", engine="lists")
    for one, two in zip(engine.ranker().search(queries, 20), other.ranker("hybrid").search(queries, 20), strict=True):
        assert np.array_equal(one.rows, two.rows)
        assert np.array_equal(one.scores, two.scores)
    engine.close()


def test_documents_and_their_texts(corpus, corpus_file, tiny_model_dir, tmp_path, monkeypatch):
    monkeypatch.setattr(loading, "TEXT_BYTES", 200)
    uri, folder = str(tmp_path / "texts.db"), tmp_path / "texts"
    dupmae.encode(corpus_file, output=folder, encoder=tiny_model_dir, to=[], store_contents=True)
    dupmae.index(folder, to="milvus", uri=uri)
    with DupMAESearcher(encoder=tiny_model_dir, uri=uri) as searcher:
        docid, text = corpus[3]
        found = searcher.doc(docid)
        assert (found.docid(), found.contents(), found.raw()) == (docid, *[text.strip()[:200]] * 2)
        assert searcher.doc(3).docid() == docid
        assert searcher.doc("none") is None
        assert searcher.doc(301) is None
        explained = dupmae.explain(searcher, query="copy a directory tree", docid=docid)
    with DupMAESearcher(folder, tiny_model_dir) as searcher:
        assert explained == dupmae.explain(searcher, query="copy a directory tree", docid=docid)


@pytest.mark.slow
def test_commands(encoded, tiny_model_dir, topics_file, run_command, warm_python, tmp_path):
    uri = tmp_path / "milvus.db"
    finished = run_command("index", "--index", encoded, "--to-milvus", "--uri", uri)
    assert finished.returncode == 0, finished.stderr
    assert f"python -m pyserini_dupmae.search --engine milvus --uri {uri}" in finished.stdout
    words = ["--encoder", tiny_model_dir, "--topics", topics_file, "--hits", 30]
    program = "import sys; sys.modules.update(dict.fromkeys(('pyserini', 'jnius'))); "
    program += "from pyserini_dupmae.search.__main__ import main; main()"
    command = ["-c", program, "--engine", "milvus", "--uri", uri, "--output", tmp_path / "milvus.txt", *words]
    finished = subprocess.run([warm_python, *map(str, command)], capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    assert "top 30 proved for 20 of 20 queries" in finished.stdout
    assert "engine milvus: candidates among 301 documents of dupmae in " in finished.stderr
    dupmae.search(encoded, topics=topics_file, output=tmp_path / "scan.txt", encoder=tiny_model_dir, hits=30)
    assert (tmp_path / "milvus.txt").read_bytes() == (tmp_path / "scan.txt").read_bytes()


def test_a_collection_that_has_changed(spoiled, encoded, queries):
    engine = open_milvus(spoiled.uri, NAME)
    (document,) = spoiled.ask("query", NAME, filter="row == 150", output_fields=["*"])
    spoiled.ask("delete", NAME, ids=[150])
    with pytest.raises(dupmae.UserError, match=r"has changed since it was loaded: it holds 300 documents, not 301"):
        open_milvus(spoiled.uri, NAME)
    with pytest.raises(dupmae.UserError, match="it has lost the document of row 150"):
        engine.exact.parts(queries[0], np.arange(301))
    spoiled.ask("upsert", NAME, [{**document, "row": 1000}])
    with pytest.raises(dupmae.UserError, match="it has lost the document of row 150"):
        engine.exact.docids.take([150])
    spoiled.ask("delete", NAME, ids=[1000, 300])
    last = {**document, "row": 300}
    spoiled.ask("upsert", NAME, [{**document, "row": 150}, last])
    with pytest.raises(dupmae.UserError, match="some of its documents are others"):
        open_milvus(spoiled.uri, NAME)
    engine.close()


def test_another_model_and_another_collection(uri, spoiled, linear_model_dir, tmp_path):
    with pytest.raises(dupmae.UserError, match="was built with another model: its ot_head is mlm"):
        DupMAESearcher(encoder=linear_model_dir, uri=uri, collection=NAME)
    with pytest.raises(dupmae.UserError, match=r"there is no collection none in .*; load it with"):
        open_milvus(uri, "none")
    spoiled.ask("create_collection", "theirs", dimension=4)
    with pytest.raises(dupmae.UserError, match=r"the collection theirs in .* was not made by pyserini_dupmae"):
        open_milvus(spoiled.uri, "theirs")
    info = MilvusInfo.read(spoiled, NAME)
    value = json.loads(info.property()[loading.PROPERTY]) | {"format": 0}
    spoiled.ask("alter_collection_properties", NAME, {loading.PROPERTY: json.dumps(value)})
    with pytest.raises(dupmae.UserError, match="is of another format version; load it again"):
        open_milvus(spoiled.uri, NAME)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "give --index, the folder of a collection, or --uri"),
        ({"index": "OUT", "uri": "milvus.db"}, "and not both"),
        ({"index": "OUT", "engine": "milvus"}, "say with --uri where it is"),
        ({"uri": "milvus.db", "engine": "scan"}, "--engine scan reads a folder; with --uri it is milvus"),
        ({"uri": "milvus.db", "shard_num": 2}, "--uri and --shard-num exclude each other"),
        ({"uri": "milvus.db", "mode": "both"}, "unknown mode 'both'"),
        ({"uri": "nowhere.db"}, "there is no nowhere.db; load it with"),
        ({"uri": "milvus"}, "--uri milvus is neither a file that ends in .db nor http://HOST:PORT"),
        ({"uri": "http://[bad"}, "--uri is no address"),
    ],
    ids=str,
)
def test_what_cannot_be_searched(options, message, tiny_model_dir):
    with pytest.raises(dupmae.UserError, match=message):
        DupMAESearcher(encoder=tiny_model_dir, **options)


def load_slowly(encoded: Path, uri: str) -> subprocess.Popen[str]:
    """A process that loads in batches of 16, and waits a little after each, so that it can be killed in between."""
    program = f"""
import time
from pyserini_dupmae.index import milvus, milvus_client
milvus.BATCH = 16
ask = milvus_client.Milvus.ask
def slowly(self, method, *args, **kwargs):
    found = ask(self, method, *args, **kwargs)
    if method == "upsert":
        print("sent", flush=True)
        time.sleep(0.05)
    return found
milvus_client.Milvus.ask = slowly
from pyserini_dupmae.index.build import index
index({str(encoded)!r}, to="milvus", uri={uri!r})
"""
    return subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)


def test_a_loader_that_is_killed(encoded, uri, queries, tmp_path, monkeypatch):
    monkeypatch.setattr(loading, "BATCH", 16)
    killed = str(tmp_path / "milvus.db")
    with load_slowly(encoded, killed) as running:
        for _ in range(7):
            assert running.stdout.readline() == "sent\n"
        running.kill()
    with pytest.raises(dupmae.UserError, match="is not complete"):
        open_milvus(killed)
    dupmae.index(encoded, to="milvus", uri=killed)
    one, other = open_milvus(killed), open_milvus(uri, NAME)
    assert loading.count(one.exact.store.milvus, "dupmae") == 301
    for mine, theirs in zip(one.ranker().search(queries, 20), other.ranker().search(queries, 20), strict=True):
        assert np.array_equal(mine.rows, theirs.rows)
        assert np.array_equal(mine.scores, theirs.scores)
    one.close()
    other.close()
