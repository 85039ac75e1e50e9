"""Which files of a folder are a collection's, in each layout, and what is said when one is missing."""

from __future__ import annotations

from pathlib import Path

import ir_datasets
import pytest

from pyserini_dupmae.data.judged_collection import find_collection
from pyserini_dupmae.util.errors import UserError
from tests.helpers import write_lines

FILES = {
    "beir": ("corpus.jsonl", "queries.jsonl", "qrels/{}.tsv"),
    "msmarco": ("collection.tsv", "queries.{}.tsv", "qrels.{}.tsv"),
}


def written(folder: Path, layout: str, *splits: str, suffix: str = "") -> Path:
    for split in splits:
        for name in FILES[layout]:
            write_lines(folder / (name.format(split) + suffix), [])
    return folder


@pytest.mark.parametrize("layout", FILES)
@pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
def test_files_of_a_split(tmp_path: Path, layout: str, suffix: str) -> None:
    folder = written(tmp_path / "a:b", layout, "train", "dev.small", suffix=suffix)
    for name, split in ((str(folder), "train"), (f"{folder}:dev.small", "dev.small")):
        found = find_collection(name)
        files = [found.corpus, found.topics, found.qrels]
        assert files == [folder / (file.format(split) + suffix) for file in FILES[layout]]
        assert found.name == name
    with pytest.raises(UserError, match=r"no judgements of the split 'test': it has dev\.small, train; give DIR:SPLIT"):
        find_collection(f"{folder}:test")


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_a_corpus_with_titles_is_taken_where_it_is_there(tmp_path: Path, suffix: str) -> None:
    folder = written(tmp_path, "msmarco", "dev.small")
    corpus = write_lines(folder / f"corpus.tsv{suffix}", [])
    assert find_collection(f"{folder}:dev.small").corpus == corpus
    (folder / "collection.tsv").unlink()
    assert find_collection(str(folder)).corpus == corpus


@pytest.mark.parametrize("layout", FILES)
def test_the_only_split_needs_no_name(tmp_path: Path, layout: str) -> None:
    found = find_collection(str(written(tmp_path, layout, "dev")))
    assert found.qrels == tmp_path / FILES[layout][2].format("dev")


@pytest.mark.parametrize("layout", FILES)
@pytest.mark.parametrize("file", [0, 1])
def test_a_missing_file_is_named(tmp_path: Path, layout: str, file: int) -> None:
    written(tmp_path, layout, "train")
    name = FILES[layout][file].format("train")
    (tmp_path / name).unlink()
    with pytest.raises(UserError, match=f"{tmp_path} has no {name}"):
        find_collection(str(tmp_path))


def test_what_is_no_collection(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"neither qrels/SPLIT\.tsv nor qrels\.SPLIT\.tsv"):
        find_collection(str(tmp_path))
    for name in ("nowhere", "nowhere:train", str(write_lines(tmp_path / "a.jsonl", []))):
        with pytest.raises(UserError, match=f"there is no training data '{name}'"):
            find_collection(name)


def test_a_dataset_of_ir_datasets_keeps_its_order(tmp_path: Path) -> None:
    docs = write_lines(tmp_path / "docs.tsv", ["b\ttwo", "a\tone"])
    queries = write_lines(tmp_path / "queries.tsv", ["10\t later ", "9\tsooner"])
    qrels = write_lines(tmp_path / "qrels.txt", ["9 0 a 1"])
    whole = ir_datasets.create_dataset(docs_tsv=str(docs), queries_tsv=str(queries), qrels_trec=str(qrels))
    ir_datasets.registry.register("dupmae-judged", whole)
    ir_datasets.registry.register("dupmae-judged/bare", ir_datasets.create_dataset(docs_tsv=str(docs)))
    try:
        found = find_collection("ir_datasets:dupmae-judged")
        assert list(found.documents()) == [("b", "two"), ("a", "one")]
        assert found.read_topics() == [("10", "later"), ("9", "sooner")]
        assert (found.topics, found.qrels) == (None, "dupmae-judged")
        with pytest.raises(UserError, match="has no queries"):
            find_collection("ir_datasets:dupmae-judged/bare")
    finally:
        for name in ("dupmae-judged", "dupmae-judged/bare"):
            ir_datasets.registry._registered.pop(name)
