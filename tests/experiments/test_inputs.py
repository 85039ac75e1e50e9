"""Where files are looked for, and what is said when they are not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyserini_dupmae.experiments.catalogue import read_catalogue
from pyserini_dupmae.experiments.inputs import Documents, Topics, find_documents, find_topics
from pyserini_dupmae.experiments.schema import Collection
from pyserini_dupmae.util.errors import UserError

PREPARED = Path("prepared")


def _touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def _find(collection: Collection, data: Path | None) -> Documents:
    return find_documents(collection, data, PREPARED)


@pytest.fixture(scope="module")
def collections() -> dict[str, Collection]:
    return read_catalogue().collections


def test_documents_in_their_official_forms(tmp_path: Path, collections: dict[str, Collection]) -> None:
    plain, titled = collections["msmarco-v1-passage"], collections["msmarco-v1-passage-title"]
    passages, titles = tmp_path / "para.txt", tmp_path / titled.name / "para.title.txt"
    _touch(tmp_path / "collection.tsv.gz", passages, titles)
    assert _find(plain, tmp_path).path == tmp_path / "collection.tsv.gz"
    joined = _find(titled, tmp_path)
    assert joined.path == PREPARED / "corpus.tsv"
    assert joined.preparation is not None
    assert joined.preparation.inputs == {"passages": passages, "titles": titles}
    _touch(tmp_path / "corpus.tsv")
    there = _find(titled, tmp_path)
    assert (there.path, there.preparation, there.beir) == (tmp_path / "corpus.tsv", None, None)
    (tmp_path / "msmarco_v2_passage").mkdir()
    found = _find(collections["msmarco-v2-passage"], tmp_path)
    assert found.path == tmp_path / "msmarco_v2_passage"
    assert found.arguments == {"corpus": "${collection}", "docid-field": "pid", "fields": ["passage"]}


def test_beir_folders_and_archives(tmp_path: Path, collections: dict[str, Collection]) -> None:
    forum = collections["beir-cqadupstack-unix"]
    _touch(tmp_path / "cqadupstack.zip")
    found = _find(forum, tmp_path)
    assert (found.path, found.beir) == (PREPARED / "beir" / "corpus.jsonl", PREPARED / "beir")
    assert found.preparation is not None
    assert found.preparation.inputs == {"archive": tmp_path / "cqadupstack.zip"}
    assert found.preparation.arguments["folder"] == "cqadupstack/unix"
    assert found.preparation.arguments["md5"] == forum.md5
    corpus = tmp_path / "cqadupstack" / "unix" / "corpus.jsonl"
    _touch(corpus)
    for data in (tmp_path, corpus.parent):  # the collection's own folder will do
        there = _find(forum, data)
        assert (there.path, there.preparation, there.beir) == (corpus, None, corpus.parent)
    queries, qrels = corpus.parent / "queries.jsonl", corpus.parent / "qrels" / "test.tsv"
    assert find_topics(forum, "test", tmp_path, corpus.parent) == Topics(queries, qrels, judged_only=True)


def test_registries_give_what_is_not_there(tmp_path: Path, collections: dict[str, Collection]) -> None:
    msmarco, segments = collections["msmarco-v1-passage"], collections["msmarco-v2.1-passage"]
    assert _find(msmarco, None) == Documents({"ir-dataset": "msmarco-passage"})
    name = "msmarco-passage/trec-dl-2019"
    assert find_topics(msmarco, "dl19", tmp_path, None) == Topics(name, name)
    queries = tmp_path / "msmarco-test2019-queries.tsv"
    _touch(queries)
    assert find_topics(msmarco, "dl19", tmp_path, None) == Topics(queries, name)
    found = find_topics(segments, "rag24", None, None)
    assert found == Topics("rag24.test", "rag24.test-umbrela", pyserini=True)


def test_missing_files_are_one_clear_error(tmp_path: Path, collections: dict[str, Collection]) -> None:
    with pytest.raises(UserError) as error:
        _find(collections["msmarco-v1-passage-title"], tmp_path)
    for part in (str(tmp_path), "corpus.tsv, para.txt with para.title.txt", "https://rocketqa.bj.bcebos.com"):
        assert part in str(error.value)
    with pytest.raises(UserError, match=r"beir-robust04 cannot be downloaded; .*robust04/corpus.jsonl.*--data.*NIST"):
        _find(collections["beir-robust04"], None)
    with pytest.raises(UserError, match=r"there is no folder .*nowhere; give the folder"):
        _find(collections["beir-nq"], tmp_path / "nowhere")
    notes = Collection.model_validate(
        {"name": "n", "description": "", "obtain": "ask", "corpus": ["n.tsv"], "topics": {"dev": {"topics": ["q.tsv"]}}}
    )
    with pytest.raises(UserError, match=r"no registry has the topics dev of n; looked in .* for q\.tsv.*ask"):
        find_topics(notes, "dev", tmp_path, None)
