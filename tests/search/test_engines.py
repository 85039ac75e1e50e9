from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path

import faiss
import numpy as np
import pytest

from pyserini_dupmae.index import postings as postings_module
from pyserini_dupmae.index.build import index
from pyserini_dupmae.index.info import IndexInfo
from pyserini_dupmae.index.postings import Postings
from pyserini_dupmae.search import engines as engines_module
from pyserini_dupmae.search.device_pass import DevicePass
from pyserini_dupmae.search.engines import Engines, open_collection, open_engines
from pyserini_dupmae.search.faiss_retriever import FaissRetriever
from pyserini_dupmae.search.lucene_retriever import LuceneRetriever
from pyserini_dupmae.store import ForwardStore, Shard, StoreInfo
from pyserini_dupmae.store.checks import SAMPLED_ROWS
from pyserini_dupmae.util.errors import UserError


@pytest.fixture
def output(encoded: Path, tmp_path: Path) -> Path:
    """A copy of the encoded collection that a test may spoil."""
    return shutil.copytree(encoded, tmp_path / "out")


def rewrite(folder: Path, **changes: object) -> None:
    replace(IndexInfo.read(folder), **changes).write(folder)


def test_lucene_bounds_every_document_from_above(opened, documents, queries):
    for query in queries:
        _, exact = documents.parts(query, np.arange(len(documents.docids)))
        for n in (1, 10, 200):
            found = opened.sparse.top(query, n)
            assert len(found.rows) == min(n, np.count_nonzero(exact))
            assert np.delete(exact, found.rows).max() <= found.bound + 1e-5
            # The slack is what rounding weights up can add, no more.
            allowed = opened.sparse.scale * query.weights.sum()
            assert found.bound <= np.sort(exact)[-len(found.rows)] + allowed + 1e-5


def test_faiss_bounds_every_document_from_above(opened, documents, queries):
    for n in (1, 10, 200):
        for query, found in zip(queries, opened.dense.top(queries, n, threads=2), strict=True):
            exact, _ = documents.parts(query, np.arange(len(documents.docids)))
            assert np.delete(exact, found.rows).max() <= found.bound + 1e-5
            assert found.bound <= np.sort(exact)[-n] + 1e-2


@pytest.mark.parametrize("factory", ["HNSW16", "IVF4,Flat", "SQfp16"])
def test_an_index_that_is_not_flat_proves_nothing(factory, encoded, queries, tmp_path, caplog):
    index(encoded, output=tmp_path, to=["faiss"], faiss_factory=factory)
    with caplog.at_level("WARNING", "pyserini_dupmae"):
        opened = open_engines(tmp_path / "faiss", encoded / "lucene")
    assert "is not a flat index" in caplog.text
    (found,) = opened.dense.top(queries[:1], 10, threads=1)
    assert found.bound == np.inf


def test_a_faiss_index_that_has_been_read_is_taken(encoded, queries):
    index = faiss.read_index(str(encoded / "faiss" / "index"))
    opened = open_engines(encoded / "faiss", encoded / "lucene", faiss_index=index)
    assert opened.dense.index is index


@pytest.mark.parametrize("engine", ["scan", "lists"])
def test_opening_reads_neither_docids_nor_vectors(engine, output, queries, monkeypatch):
    """What is kept at build is not computed again, however large a collection is."""
    index(output, to=["postings"])
    expected = rows(open_collection(output, engine=engine), queries)

    def refuse(*_: object) -> None:
        raise AssertionError("a pass over all documents")

    gather = ForwardStore.gather

    def few_rows(store: ForwardStore, rows: np.ndarray, *top_k: int) -> object:
        assert len(rows) <= SAMPLED_ROWS
        return gather(store, rows, *top_k)

    monkeypatch.setattr(Shard, "docids", refuse)
    monkeypatch.setattr(ForwardStore, "largest_norm", refuse)
    monkeypatch.setattr(Postings, "of", refuse)
    monkeypatch.setattr(faiss.IndexFlatIP, "reconstruct_n", refuse)
    monkeypatch.setattr(ForwardStore, "gather", few_rows)
    opened = open_collection(output, engine=engine)
    ranker = opened.ranker("hybrid")
    monkeypatch.undo()
    assert [ranking.rows.tolist() for ranking in ranker.search(queries, 15)] == expected


def test_an_index_that_does_not_tell_its_largest_norm_is_searched_all_the_same(output, queries):
    expected = rows(open_collection(output, engine="lists"), queries)
    kept = IndexInfo.read(output / "faiss").largest_norm
    rewrite(output / "faiss", largest_norm=None)
    older = open_collection(output, engine="lists")
    assert rows(older, queries) == expected
    assert older.dense._largest_norm == pytest.approx(kept)


def test_distances_are_refused():
    with pytest.raises(UserError, match="does not hold inner products"):
        FaissRetriever(faiss.IndexFlatL2(4))


def test_missing_and_exchanged_folders(encoded, tmp_path):
    with pytest.raises(UserError, match=r"nowhere.*does not exist"):
        open_engines(tmp_path / "nowhere", encoded / "lucene")
    with pytest.raises(UserError, match="is not a faiss index, but a lucene index"):
        open_engines(encoded / "lucene", encoded / "faiss")


def test_indexes_of_two_models(output):
    model = replace(IndexInfo.read(output / "lucene").model, fingerprint="another")
    rewrite(output / "lucene", model=model)
    with pytest.raises(UserError, match=r"lucene was built with another model: its weights is"):
        open_engines(output / "faiss", output / "lucene")


@pytest.mark.parametrize("changes", [{"collection": "0" * 64}, {"documents": 7}])
def test_indexes_of_two_collections(changes, output):
    rewrite(output / "lucene", **changes)
    with pytest.raises(UserError, match="are of different collections"):
        open_engines(output / "faiss", output / "lucene")


def test_a_store_that_is_gone_or_another(output):
    info = StoreInfo.read(output / "store")
    replace(info, model=replace(info.model, fingerprint="another")).write(output / "store")
    with pytest.raises(UserError, match="store was built with another model"):
        open_engines(output / "faiss", None)
    replace(info, shards=[], documents=0).write(output / "store")
    with pytest.raises(UserError, match=r"was built from 301 documents, but .* holds 0"):
        open_engines(output / "faiss", None)
    shutil.rmtree(output / "store")
    with pytest.raises(UserError, match="holds no finished forward store"):
        open_engines(output / "faiss", None)


def test_an_index_with_other_documents(encoded, output):
    index = faiss.IndexFlatIP(16)
    index.add(np.zeros((5, 16), np.float32))
    with pytest.raises(UserError, match="holds 5 vectors of 301 documents"):
        open_engines(encoded / "faiss", None, faiss_index=index)
    store = ForwardStore(encoded / "store")
    docids = [*store.docids[:100], "another", *store.docids[101:]]
    with pytest.raises(UserError, match=r"document 100 of .*lucene is .*, but 'another' in its store"):
        LuceneRetriever(encoded / "lucene", store.terms, 1.0, docids)
    with pytest.raises(UserError, match="holds 301 documents, but its store 300"):
        LuceneRetriever(encoded / "lucene", store.terms, 1.0, docids[:300])


def test_damaged_indexes(output):
    (output / "faiss" / "index").write_bytes(b"no index")
    with pytest.raises(UserError, match="FAISS cannot read"):
        open_engines(output / "faiss", None)
    for path in (output / "lucene").glob("segments_*"):
        path.unlink()
    with pytest.raises(UserError, match="Lucene cannot read the index"):
        open_engines(None, output / "lucene")


def test_fewer_weights_in_the_index_than_in_the_store(encoded, documents, queries, tmp_path):
    index(encoded, output=tmp_path, to=["faiss", "lucene"], top_k=5)
    opened = open_engines(tmp_path / "faiss", tmp_path / "lucene")
    fifth = np.sort(documents.mu, axis=1)[:, -5:-4]
    cut = replace(documents, mu=np.where(documents.mu >= fifth, documents.mu, 0))
    for query, ranking in zip(queries, opened.ranker().search(queries, 20), strict=True):
        cls, ot = cut.parts(query, ranking.rows)
        np.testing.assert_allclose(ranking.scores, cls + ot, rtol=1e-4, atol=1e-5)


def rows(engines: Engines, queries: list) -> list[list[int]]:
    return [ranking.rows.tolist() for ranking in engines.ranker("hybrid").search(queries, 15)]


def test_a_small_collection_is_scanned_and_a_large_one_by_lists_until_there_are_postings(
    output, queries, monkeypatch, caplog
):
    caplog.set_level("INFO", "pyserini_dupmae")
    small = open_collection(output)
    assert (small.choice.engine, small.dense, small.sparse) == ("scan", None, None)
    expected = rows(small, queries)
    for module in (engines_module, postings_module):
        monkeypatch.setattr(module, "BLOCK", 50)
    large = open_collection(output)
    assert large.choice.engine == "lists"
    assert large.dense is not None
    assert rows(large, queries) == expected
    index(output, to=["postings"])
    with_postings = open_collection(output)
    assert with_postings.choice.engine == "scan"
    assert rows(with_postings, queries) == expected
    monkeypatch.setattr(engines_module, "SHARE_OF_MEMORY", 0.0)
    assert open_collection(output).choice.engine == "lists"
    assert open_collection(output, engine="scan").choice.engine == "scan"
    said = [record.message for record in caplog.records if record.message.startswith("engine ")]
    assert [line.split()[1] for line in said] == ["scan:", "lists:", "scan:", "lists:", "scan:"]
    assert said[0] == "engine scan: all 301 documents are scored, from memory"
    assert "needs python -m pyserini_dupmae.index --index" in said[1]
    assert re.search(r"all 301 documents are scored \(.* GB of postings, .* GB of memory\)", said[2])
    assert "too many to scan" in said[3]
    assert said[4].endswith("all 301 documents are scored, as asked for")


def test_a_scan_writes_the_postings_that_it_lacks_once(output, queries, monkeypatch):
    expected = rows(open_collection(output), queries)
    for module in (engines_module, postings_module):
        monkeypatch.setattr(module, "BLOCK", 50)
    assert rows(open_collection(output, engine="scan"), queries) == expected
    written = {file.name: file.stat().st_mtime_ns for file in (output / "postings").iterdir()}
    assert set(written) == {"dupmae.json", "starts.i64", "rows.u16", "weights.bf16", "cls.i8", "scales.f32"}
    assert rows(open_collection(output, engine="scan"), queries) == expected
    assert written == {file.name: file.stat().st_mtime_ns for file in (output / "postings").iterdir()}


def test_postings_of_fewer_weights_than_lucene_has_are_not_used(output, queries, monkeypatch):
    for module in (engines_module, postings_module):
        monkeypatch.setattr(module, "BLOCK", 50)
    expected = rows(open_collection(output, engine="lists"), queries)
    index(output, to=["postings"], top_k=5)
    assert open_collection(output).choice.engine == "lists"
    assert rows(open_collection(output, engine="scan"), queries) == expected
    assert IndexInfo.read(output / "postings").top_k > 5


def test_a_scan_takes_the_weights_that_lucene_has(output, queries, monkeypatch):
    index(output, to=["lucene"], top_k=7, overwrite=True)
    assert rows(open_collection(output, engine="scan"), queries) == rows(
        open_collection(output, engine="lists"), queries
    )


def test_postings_alone_say_how_many_weights_count(output, queries, tmp_path):
    index(output, to=["postings"], output=tmp_path / "alone", top_k=7)
    index(output, to=["lucene", "faiss"], top_k=7, overwrite=True)
    expected = rows(open_collection(output, engine="lists"), queries)
    assert rows(open_collection(tmp_path / "alone"), queries) == expected


@pytest.mark.parametrize(
    "changes", [{"collection": "0" * 64}, {"documents": 7}, {"model": "another"}, {"largest_error": None}]
)
def test_lists_do_not_take_postings_of_another_collection(changes, output, queries):
    index(output, to=["postings"])
    expected = rows(open_collection(output, engine="lists"), queries)
    if "model" in changes:
        changes = {"model": replace(IndexInfo.read(output / "postings").model, fingerprint="another")}
    rewrite(output / "postings", **changes)
    opened = open_collection(output, engine="lists")
    assert opened.written is None
    assert rows(opened, queries) == expected


def test_folders_of_indexes_are_scanned_without_being_opened(encoded, queries):
    scanned = open_engines(encoded / "faiss", encoded / "lucene", engine="auto")
    assert (scanned.choice.engine, scanned.dense, scanned.sparse) == ("scan", None, None)
    assert rows(scanned, queries) == rows(open_engines(encoded / "faiss", encoded / "lucene"), queries)


@pytest.mark.parametrize("mode", ["dense", "sparse", "hybrid"])
def test_a_scan_by_torch_on_a_device_ranks_alike(mode, output, queries, monkeypatch):
    """The path of a GPU; torch's device "cpu:0" is not the "cpu" that has a path of its own."""
    for module in (engines_module, postings_module):
        monkeypatch.setattr(module, "BLOCK", 50)
    here, there = (open_collection(output, engine="scan") for _ in range(2))
    there.device = "cpu:0"
    found = there.ranker(mode)
    assert isinstance(found.fast, DevicePass)
    for one, other in zip(found.search(queries, 15), here.ranker(mode).search(queries, 15), strict=True):
        for name in ("rows", "scores", "cls_scores", "ot_scores"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    assert there.ranker("hybrid").fast.postings is there.ranker("dense").fast.postings


def test_indexes_of_different_collections_are_refused_by_a_scan_too(output):
    rewrite(output / "lucene", collection="0" * 64)
    with pytest.raises(UserError, match="different collections"):
        open_collection(output)
