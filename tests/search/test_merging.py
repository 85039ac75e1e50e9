"""Searching by shards and merging: equal to one search of everything, byte for byte, or refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

import pyserini_dupmae.api as dupmae
from pyserini_dupmae.search import run as run_module
from pyserini_dupmae.search.shards import record_path
from pyserini_dupmae.store import ForwardStore, Piece

HITS = 40


@pytest.fixture(scope="module")
def whole(corpus_file: Path, tiny_model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The collection in a store of ten files."""
    output = tmp_path_factory.mktemp("whole") / "out"
    dupmae.encode(corpus_file, output=output, encoder=tiny_model_dir, shard_size=32, to=[])
    return output


@pytest.fixture(scope="module")
def parts(corpus_file: Path, tiny_model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The collection in three encodings, each of a part."""
    folder = tmp_path_factory.mktemp("parts")
    options = {"encoder": tiny_model_dir, "to": [], "shard_num": 3}
    return [dupmae.encode(corpus_file, output=folder / f"PART{i}", shard_id=i, **options).folder for i in range(3)]


@pytest.fixture
def search(tiny_model_dir: Path, topics: list[tuple[str, str]], tmp_path: Path) -> Callable[..., Path]:
    """``search(index, "run.txt", hits=3)`` searches the topics and returns the run."""

    def run(index: Path, name: str, **options: object) -> Path:
        arguments = {"topics": topics, "encoder": tiny_model_dir, "hits": HITS} | options
        return dupmae.search(index, output=tmp_path / name, **arguments).path

    return run


@pytest.fixture
def runs(whole: Path, search: Callable[..., Path]) -> list[Path]:
    """The runs of the three shards of `whole`."""
    return [search(whole, f"run.{i}", shard_id=i, shard_num=3) for i in range(3)]


@pytest.mark.parametrize(
    "options",
    [{}, {"hits": 1}, {"hits": 1000}, {"mode": "sparse"}, {"mode": "dense"}, {"remove_query": True}],
    ids=str,
)
def test_a_store_in_parts_gives_the_run_of_the_whole(options, whole, search, corpus, tmp_path):
    if "remove_query" in options:
        options = {**options, "topics": [(docid, text[:80]) for docid, text in corpus[:20]]}
    expected = search(whole, "expected.txt", **options).read_bytes()
    for number in (2, 10):
        runs = [search(whole, f"run.{i}", shard_id=i, shard_num=number, **options) for i in range(number)]
        result = dupmae.merge(runs[::-1], output=tmp_path / "merged.txt")
        assert result.path.read_bytes() == expected
        assert (result.shards, result.documents, result.queries, result.unproved) == (number, 301, 20, 0)


def test_stores_of_parts_give_the_run_of_all_as_one(parts, search, tmp_path):
    dupmae.index(parts, to="postings", output=tmp_path / "all")
    expected = search(tmp_path / "all", "expected.txt", output_format="msmarco").read_bytes()
    runs = [search(part, f"run.{i}", shard_id=i, shard_num=3) for i, part in enumerate(parts)]
    assert dupmae.merge(runs, output=tmp_path / "merged.tsv", output_format="msmarco").path.read_bytes() == expected


@pytest.mark.parametrize("engine", ["scan", "lists"])
@pytest.mark.usefixtures("short_lists")
def test_several_stores_are_searched_as_one_by_either_engine(engine, parts, search, tmp_path):
    runs = [search(part, f"run.{i}", shard_id=i, shard_num=3) for i, part in enumerate(parts)]
    expected = dupmae.merge(runs, output=tmp_path / "merged.txt").path.read_bytes()
    together = tmp_path / "together"
    dupmae.index(parts, output=together, to=["faiss", "lucene", "postings"])
    assert search(together, f"{engine}.txt", engine=engine).read_bytes() == expected


def test_equal_scores_are_ordered_by_docid_over_shards(whole, search, tmp_path, monkeypatch):
    """A document a shard has the same representation: the order of their docids decides, not that of the shards."""
    store = ForwardStore(whole / "store")
    taken = store.gather(np.arange(len(store)))

    def pieces(self: ForwardStore, rows: np.ndarray) -> Iterator[Piece]:
        yield Piece(np.arange(len(rows)), *taken, np.zeros(len(rows), np.int64))

    monkeypatch.setattr(ForwardStore, "pieces", pieces)
    expected = search(whole, "expected.txt").read_bytes()
    runs = [search(whole, f"run.{i}", shard_id=i, shard_num=4) for i in range(4)]
    assert dupmae.merge(runs, output=tmp_path / "merged.txt").path.read_bytes() == expected
    first = [line.split()[2] for line in expected.decode().splitlines()[:HITS]]
    assert first == sorted(store.docids)[:HITS]


def test_the_run_of_a_shard_keeps_every_bit_of_a_score(whole, search, tiny_model_dir, topics):
    lines = search(whole, "run.0", shard_id=0, shard_num=2).read_text("utf-8").splitlines()
    with dupmae.DupMAESearcher(whole, tiny_model_dir, shard_id=0, shard_num=2) as searcher:
        found = searcher.batch_search([text for _, text in topics], [qid for qid, _ in topics], HITS)
    scores = [hit.score for qid, _ in topics for hit in found[qid]]
    assert [float(np.float32(line.split()[4])) for line in lines] == scores


def test_commands(whole, tiny_model_dir, topics_file, search, run_command, tmp_path):
    words = ["--index", whole, "--encoder", tiny_model_dir, "--topics", topics_file, "--hits", HITS, "--shard-num", 2]
    for i in range(2):
        finished = run_command("search", *words, "--shard-id", i, "--output", tmp_path / f"run.{i}")
        assert finished.returncode == 0, finished.stderr
        assert f"documents of shard {i} of 2 are scored, from memory" in finished.stderr
    runs = [tmp_path / "run.1", tmp_path / "run.0"]
    finished = run_command("merge", "--runs", *runs, "--output", tmp_path / "merged.txt")
    assert finished.stdout == f"{tmp_path / 'merged.txt'}: 20 queries over 301 documents in 2 shards\n"
    assert (tmp_path / "merged.txt").read_bytes() == search(whole, "expected.txt").read_bytes()
    finished = run_command("merge", "--runs", runs[0], "--output", tmp_path / "other.txt")
    assert finished.returncode == 2
    assert "error: of 2 shards 1 are missing: 0; search them too" in finished.stderr
    assert not (tmp_path / "other.txt").exists()


def test_what_is_not_proved_is_told(parts, search, tmp_path):
    runs = [search(part, f"run.{i}", shard_id=i, shard_num=3) for i, part in enumerate(parts)]
    record = json.loads(record_path(runs[1]).read_text("utf-8"))
    assert record["unproved"] == []
    record_path(runs[1]).write_text(json.dumps(record | {"unproved": ["3", "5"]}), encoding="utf-8")
    result = dupmae.merge(runs, output=tmp_path / "merged.txt")
    assert result.unproved == 2
    assert "; NOT PROVED for 2" in str(result)


def refused(runs: list[Path], message: str) -> None:
    output = runs[0].with_name("refused.txt")
    with pytest.raises(dupmae.UserError, match=message):
        dupmae.merge(runs, output=output)
    assert not output.exists()


def test_a_shard_that_is_missing_doubled_or_gone(runs, tmp_path):
    refused(runs[:2], "of 3 shards 1 are missing: 2;")
    refused(runs[1:2], "of 3 shards 2 are missing: 0, 2;")
    refused([*runs, runs[1]], "are both of shard 1; give each once")
    refused([*runs[:2], tmp_path / "nothing"], "there is no run .*nothing")


def test_a_run_that_has_changed_or_is_not_of_a_shard(runs, whole, search):
    refused([*runs[:2], search(whole, "alone.txt")], "is not the run of a shard")
    lines = runs[1].read_text("utf-8").splitlines(keepends=True)
    runs[1].write_text("".join(lines[:-1]), encoding="utf-8")
    refused(runs, "run.1 has changed since it was written; search shard 1 again")
    record_path(runs[0]).write_text("{}", encoding="utf-8")
    refused(runs, "is damaged")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hits": 7}, "was searched with certify 7, but .* with 40"),
        ({"mode": "sparse"}, "was searched with mode 'sparse', but .* with 'hybrid'"),
        ({"remove_query": True}, "was searched with remove_query True"),
        ({"query_top_k": 3}, "differ from those of .* in their numbers"),
        ({"topics": {"1": "one"}}, "are of different topics"),
        ({"shard_num": 4}, "is of 4 shards, but .* of 3"),
    ],
    ids=str,
)
def test_a_shard_of_another_search(options, message, runs, whole, search):
    refused([*runs[:2], search(whole, "run.2", **{"shard_id": 2, "shard_num": 3, **options})], message)


def test_a_shard_of_another_model(runs, whole, search, corpus_file, linear_model_dir, tmp_path):
    dupmae.encode(corpus_file, output=tmp_path / "linear", encoder=linear_model_dir, shard_size=32, to=[])
    other = search(tmp_path / "linear", "run.2", encoder=linear_model_dir, shard_id=2, shard_num=3)
    refused([*runs[:2], other], r"run.2 was built with another model: its ot_head is linear")


def test_shards_of_different_collections(runs, parts, whole, search, jsonl, corpus, tiny_model_dir, tmp_path):
    of_part = search(parts[2], "part.2", shard_id=2, shard_num=3)
    refused([*runs[:2], of_part], "are of different collections")
    # Another corpus, whose last shard has another number of documents
    other = jsonl([{"id": f"x{docid}", "contents": text} for docid, text in corpus[:200]])
    dupmae.encode(other, output=tmp_path / "other", encoder=tiny_model_dir, shard_id=2, shard_num=3, to=[])
    found = [search(part, f"part.{i}", shard_id=i, shard_num=3) for i, part in enumerate(parts[:2])]
    refused([*found, search(tmp_path / "other", "x", shard_id=2, shard_num=3)], "not all of one collection")


def test_the_same_documents_as_two_shards(corpus_file, tiny_model_dir, search, parts, tmp_path):
    copy = shutil.copytree(parts[0], tmp_path / "copy")
    info = json.loads((copy / "store" / "store.json").read_text("utf-8"))
    assert info["part"] == [0, 3]
    (copy / "store" / "store.json").write_text(json.dumps(info | {"part": [1, 3]}), encoding="utf-8")
    found = [search(part, f"part.{i}", shard_id=i, shard_num=3) for i, part in enumerate([parts[0], copy, parts[2]])]
    refused(found, "are of the same documents")


def test_a_document_that_two_shards_have(parts, search, jsonl, corpus, tiny_model_dir, tmp_path):
    """As many documents as there should be, with other ends, and one that another shard has."""
    records = [{"id": docid, "contents": text} for docid, text in corpus]
    records[150] = {**records[150], "id": records[5]["id"]}
    records[5] = {"id": "new", "contents": "new"}
    dupmae.encode(jsonl(records), output=tmp_path / "other", encoder=tiny_model_dir, shard_id=1, shard_num=3, to=[])
    stores = [parts[0], tmp_path / "other", parts[2]]
    found = [search(part, f"part.{i}", shard_id=i, shard_num=3, hits=301) for i, part in enumerate(stores)]
    refused(found, "two shards have the document")


def test_what_cannot_be_searched_as_a_shard(encoded, whole, parts, search, monkeypatch):
    with pytest.raises(dupmae.UserError, match="encoded with --shard-id 1 --shard-num 3; search it with the same"):
        search(parts[1], "run", shard_id=0, shard_num=3)
    with pytest.raises(dupmae.UserError, match=r"there are 10 file\(s\) of documents in .*; cut fewer shards"):
        search(whole, "run", shard_id=0, shard_num=11)
    with pytest.raises(dupmae.UserError, match="--shard-id is 3, but with --shard-num 3 it is one of 0 to 2"):
        search(whole, "run", shard_id=3, shard_num=3)
    with pytest.raises(dupmae.UserError, match="--shard-id is 1, but with --shard-num 1"):
        search(whole, "run", shard_id=1)
    with pytest.raises(dupmae.UserError, match="give --output-format msmarco to merge"):
        search(whole, "run", shard_id=0, shard_num=2, output_format="msmarco")
    with pytest.raises(dupmae.UserError, match="no run of a shard is given"):
        dupmae.merge([], output="run.txt")
    with pytest.raises(dupmae.UserError, match="unknown output format 'csv'"):
        dupmae.merge(["run"], output="run.txt", output_format="csv")
    monkeypatch.setattr(ForwardStore, "shard", lambda self, *_: ForwardStore(*self.folders))
    with pytest.raises(dupmae.UserError, match="a part of them is scanned: leave out --engine lists"):
        search(encoded, "run", shard_id=0, shard_num=2, engine="lists")


def test_a_part_alone_is_searched_as_any_collection(parts, search, whole):
    assert search(parts[1], "alone.txt").read_text("utf-8").count("\n") == 20 * HITS
    assert run_module.TAG in search(parts[1], "alone.txt").read_text("utf-8")
