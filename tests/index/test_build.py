from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from pyserini_dupmae.index import IndexInfo, index, search_command
from pyserini_dupmae.util.errors import UserError
from tests.index.conftest import random_documents
from tests.index.test_lucene import read_postings, stored

ALL = ("faiss", "lucene", "jsonl")


def test_builds_what_is_asked_for(documents, tmp_path):
    out = documents.write(tmp_path)
    index(out, to=["faiss", "jsonl"])
    assert sorted(path.name for path in out.iterdir()) == ["faiss", "jsonl", "store"]


def test_says_what_it_built(documents, tmp_path):
    out = documents.write(tmp_path)
    index(out, to=ALL, top_k=5, bits=6, faiss_factory="SQ8")
    infos = {kind: IndexInfo.read(out / kind) for kind in ALL}
    for kind, info in infos.items():
        assert (info.kind, info.documents, info.model) == (kind, 100, documents.model)
        assert info.store_folders(out / kind) == [out / "store"]
        assert info.collection == infos["faiss"].collection
    assert (infos["faiss"].factory, infos["faiss"].flat) == ("SQ8", False)
    for kind in ("lucene", "jsonl"):
        assert (infos[kind].top_k, infos[kind].bits) == (5, 6)
        assert infos[kind].scale == pytest.approx(documents.weights.max() / 63)


def test_two_stores_are_one_collection(documents, tmp_path):
    whole = documents.write(tmp_path / "whole")
    first = documents.write(tmp_path / "first", slice(0, 30))
    second = documents.write(tmp_path / "second", slice(30, None))
    index(whole, to=ALL)
    merged = tmp_path / "merged"
    index([first, second], output=merged, to=ALL)
    for name in ("index", "docid"):
        assert (merged / "faiss" / name).read_bytes() == (whole / "faiss" / name).read_bytes()
    assert read_postings(merged / "lucene") == read_postings(whole / "lucene")
    assert stored(merged / "lucene", "id") == documents.docids
    assert jsonl(merged) == jsonl(whole)
    one, two = IndexInfo.read(whole / "lucene"), IndexInfo.read(merged / "lucene")
    assert (one.collection, one.scale, one.documents) == (two.collection, two.scale, two.documents)
    assert two.store_folders(merged / "lucene") == [first / "store", second / "store"]


def jsonl(out: Path) -> list[str]:
    return [line for path in sorted(out.glob("jsonl/*/*.jsonl")) for line in path.read_text("utf-8").splitlines()]


def test_a_docid_in_two_stores(documents, tmp_path):
    first, second = documents.write(tmp_path / "a", slice(0, 60)), documents.write(tmp_path / "b", slice(59, None))
    with pytest.raises(UserError, match=r"'d59' is both in .*/a/store and in .*/b/store"):
        index([first, second], output=tmp_path / "out", to=ALL)
    assert not (tmp_path / "out").exists()


def test_stores_of_different_models(documents, tmp_path):
    first = documents.write(tmp_path / "a")
    second = random_documents(10, ["other", "words"], 2).write(tmp_path / "b")
    with pytest.raises(UserError, match="another model"):
        index([first, second], output=tmp_path / "out", to=ALL)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"top_k": 13}, "--top-k is 13, but the store keeps 12"),
        ({"top_k": 0}, "--top-k is 0"),
        ({"bits": 17}, "17 bits"),
        ({"faiss_factory": "Nonsense"}, "Nonsense"),
    ],
)
def test_settings_out_of_range(documents, tmp_path, settings, message):
    out = documents.write(tmp_path)
    with pytest.raises(UserError, match=message):
        index(out, to=ALL, **settings)
    assert [path.name for path in out.iterdir()] == ["store"]


def test_an_existing_index_is_replaced_only_when_told_to(documents, tmp_path):
    out = documents.write(tmp_path)
    index(out, to=["lucene"])
    with pytest.raises(UserError, match="lucene exists; replace it with --overwrite"):
        index(out, to=ALL)
    index(out, to=ALL, overwrite=True, bits=4)
    assert IndexInfo.read(out / "lucene").bits == 4


def test_a_folder_of_somebody_else_is_never_replaced(documents, tmp_path):
    out = documents.write(tmp_path)
    (out / "faiss").mkdir()
    (out / "faiss" / "thesis.tex").write_text("years of work")
    with pytest.raises(UserError, match="no index of ours"):
        index(out, to=ALL, overwrite=True)
    assert (out / "faiss" / "thesis.tex").exists()


def test_the_search_command_is_one_that_a_shell_takes():
    assert search_command(Path("my out"), "a model") == (
        "python -m pyserini.search.hybrid dense --index 'my out/faiss' --encoder-class dupmae --encoder 'a model' "
        "sparse --index 'my out/lucene' --impact --encoder 'a model' --min-idf -1 "
        "fusion --alpha 1 --hits 1000 run --topics TOPICS --output run.txt --hits 1000"
    )


def run(*arguments: object) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "pyserini_dupmae.index", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_command_builds_both_indexes_and_tells_how_to_search_them(documents, tmp_path):
    out = documents.write(tmp_path)
    finished = run("--index", out)
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.splitlines()[-1] == search_command(out, "model")
    assert "WARNING" not in finished.stderr
    assert IndexInfo.read(out / "faiss").flat
    assert IndexInfo.read(out / "lucene").bits == 8


def test_command_passes_its_options_on(documents, tmp_path):
    first, second = documents.write(tmp_path / "a", slice(0, 60)), documents.write(tmp_path / "b", slice(60, None))
    arguments = ["--index", first, second, "--output", tmp_path / "out", "--to-faiss", "--faiss-factory", "SQ8"]
    finished = run(*arguments, "--to-jsonl", "--top-k", 3, "--quantization-bits", 2)
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout == ""
    assert IndexInfo.read(tmp_path / "out" / "faiss").factory == "SQ8"
    vectors = [json.loads(line)["vector"] for line in (tmp_path / "out/jsonl/sparse/000000.jsonl").open()]
    assert max(map(len, vectors)) == 3
    assert {level for vector in vectors for level in vector.values()} == {1, 2, 3}
    assert run(*arguments, "--overwrite").returncode == 0


def test_command_reports_mistakes_in_one_line(documents, tmp_path):
    out = documents.write(tmp_path / "out")
    for arguments, message in (
        (["--index", tmp_path], "holds no finished forward store"),
        (["--index", out, out], "say with --output"),
        (["--index", out, "--quantization-bits", 99], "99 bits"),
    ):
        finished = run(*arguments)
        assert finished.returncode == 2
        assert finished.stderr.startswith("error: ")
        assert message in finished.stderr
        assert len(finished.stderr.splitlines()) == 1
