"""Where files are looked for, and what is said when they are not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyserini_dupmae.reproduce import catalogue, sources
from pyserini_dupmae.reproduce.schema import Collection
from pyserini_dupmae.util.errors import UserError


def _touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


@pytest.fixture(scope="module")
def collections() -> dict[str, Collection]:
    return catalogue.read().collections


def test_documents_in_their_official_forms(tmp_path: Path, collections: dict[str, Collection]) -> None:
    plain, titled = collections["msmarco-v1-passage"], collections["msmarco-v1-passage-title"]
    _touch(tmp_path / "collection.tsv.gz", tmp_path / "para.txt", tmp_path / titled.name / "para.title.txt")
    assert sources.documents(plain, tmp_path) == sources.Files(tmp_path / "collection.tsv.gz")
    expected = sources.Titled(tmp_path / "para.txt", tmp_path / titled.name / "para.title.txt")
    assert sources.documents(titled, tmp_path) == expected
    _touch(tmp_path / "corpus.tsv")
    assert sources.documents(titled, tmp_path) == sources.Files(tmp_path / "corpus.tsv")
    (tmp_path / "msmarco_v2_passage").mkdir()
    assert sources.documents(collections["msmarco-v2-passage"], tmp_path).path.name == "msmarco_v2_passage"


def test_beir_folders_and_archives(tmp_path: Path, collections: dict[str, Collection]) -> None:
    forum = collections["beir-cqadupstack-unix"]
    _touch(tmp_path / "cqadupstack.zip")
    found = sources.documents(forum, tmp_path)
    assert found == sources.Archive(tmp_path / "cqadupstack.zip", "cqadupstack/unix", forum.md5)
    corpus = tmp_path / "cqadupstack" / "unix" / "corpus.jsonl"
    _touch(corpus)
    assert sources.documents(forum, tmp_path) == sources.Files(corpus)
    assert sources.documents(forum, corpus.parent) == sources.Files(corpus), "the collection's own folder will do"
    queries, qrels = corpus.parent / "queries.jsonl", corpus.parent / "qrels" / "test.tsv"
    topics = sources.topics(forum, "test", tmp_path, corpus.parent)
    assert topics == sources.Topics(queries, qrels, judged_only=True)


def test_registries_give_what_is_not_there(tmp_path: Path, collections: dict[str, Collection]) -> None:
    msmarco, segments = collections["msmarco-v1-passage"], collections["msmarco-v2.1-passage"]
    assert sources.documents(msmarco, None) == sources.Dataset("msmarco-passage")
    name = "msmarco-passage/trec-dl-2019"
    assert sources.topics(msmarco, "dl19", tmp_path, None) == sources.Topics(name, name)
    queries = tmp_path / "msmarco-test2019-queries.tsv"
    _touch(queries)
    assert sources.topics(msmarco, "dl19", tmp_path, None) == sources.Topics(queries, name)
    found = sources.topics(segments, "rag24", None, None)
    assert found == sources.Topics("rag24.test", "rag24.test-umbrela", pyserini=True)


def test_missing_files_are_one_clear_error(tmp_path: Path, collections: dict[str, Collection]) -> None:
    with pytest.raises(UserError) as error:
        sources.documents(collections["msmarco-v1-passage-title"], tmp_path)
    for part in (str(tmp_path), "corpus.tsv, para.txt with para.title.txt", "https://rocketqa.bj.bcebos.com"):
        assert part in str(error.value)
    with pytest.raises(UserError, match=r"beir-robust04 cannot be downloaded; .*robust04/corpus.jsonl.*--data.*NIST"):
        sources.documents(collections["beir-robust04"], None)
    with pytest.raises(UserError, match=r"there is no folder .*nowhere; give the folder"):
        sources.documents(collections["beir-nq"], tmp_path / "nowhere")
    notes = Collection.model_validate(
        {"name": "n", "description": "", "obtain": "ask", "corpus": ["n.tsv"], "topics": {"dev": {"topics": ["q.tsv"]}}}
    )
    with pytest.raises(UserError, match=r"no registry has the topics dev of n; looked in .* for q\.tsv.*ask"):
        sources.topics(notes, "dev", tmp_path, None)
