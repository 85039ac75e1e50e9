"""Queries encoded once, in Pyserini's formats."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pyserini.encode import CachedDataQueryEncoder, QueryEncoder
from pyserini.query_iterator import DefaultQueryIterator
from pyserini.search.faiss import FaissSearcher
from pyserini.search.lucene import LuceneImpactSearcher

from pyserini_dupmae import DupMAEImpactQueryEncoder, DupMAEQueryEncoder
from tests.helpers import RunCommand


@pytest.fixture(scope="module")
def awkward_topics(topics_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("topics") / "awkward.tsv"
    path.write_text(topics_file.read_text() + "98\t spaces  around \n99\t☃\n", encoding="utf-8")
    return path


def options(topics: Path, model: Path, output: Path, *more: str) -> list[str]:
    return ["--topics", str(topics), "--encoder", str(model), "--output", str(output), "--batch-size", "8", *more]


@pytest.fixture(scope="module")
def written(
    awkward_topics: Path, tiny_model_dir: Path, run_command: RunCommand, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    output = tmp_path_factory.mktemp("queries") / "encoded"
    finished = run_command("encode_queries", *options(awkward_topics, tiny_model_dir, output))
    assert finished.returncode == 0, finished.stderr
    assert f"22 queries in {output}: --encoded-queries {output}" in finished.stdout
    return output


def test_pyserini_finds_each_of_its_queries(written: Path, awkward_topics: Path, tiny_model_dir: Path):
    dense, impact = QueryEncoder(str(written)), CachedDataQueryEncoder(str(written / "queries.jsonl"))
    model, impact_model = DupMAEQueryEncoder(str(tiny_model_dir)), DupMAEImpactQueryEncoder(str(tiny_model_dir))
    queries = list(DefaultQueryIterator.from_topics(str(awkward_topics)))
    assert len(queries) == 22
    for _, text in queries:
        np.testing.assert_allclose(dense.encode(text), model.encode(text), rtol=1e-3, atol=1e-4)
        vector = impact.encode(text)
        expected = impact_model.encode(text)
        for term in {*vector, *expected}:
            assert vector.get(term, 0) == pytest.approx(expected.get(term, 0), abs=1)


def test_pyserini_searches_with_them(written: Path, encoded: Path, awkward_topics: Path, tiny_model_dir: Path):
    queries = list(DefaultQueryIterator.from_topics(str(awkward_topics)))
    qids, texts = [str(qid) for qid, _ in queries], [text for _, text in queries]
    given = FaissSearcher(str(encoded / "faiss"), QueryEncoder(str(written))).batch_search(texts, qids, 5)
    live = FaissSearcher(str(encoded / "faiss"), str(tiny_model_dir)).batch_search(texts, qids, 5)
    for qid in qids:
        assert [hit.score for hit in given[qid]] == pytest.approx([hit.score for hit in live[qid]], rel=1e-4, abs=1e-5)
    impact = LuceneImpactSearcher(str(encoded / "lucene"), str(written / "queries.jsonl"), -1)
    found = impact.batch_search(texts, qids, 5)
    assert len(found["1"]) == 5
    assert len(found["99"]) == 0  # no known token: the dense side alone answers


def test_what_exists_is_replaced_only_when_asked(
    written: Path, awkward_topics: Path, tiny_model_dir: Path, run_command: RunCommand
):
    before = (written / "queries.jsonl").read_bytes()
    refused = run_command("encode_queries", *options(awkward_topics, tiny_model_dir, written))
    assert refused.returncode == 2
    assert refused.stderr.startswith(f"error: {written}/embedding.pkl and {written}/queries.jsonl exist already")
    again = run_command("encode_queries", *options(awkward_topics, tiny_model_dir, written, "--overwrite"))
    assert again.returncode == 0
    assert (written / "queries.jsonl").read_bytes() == before


def test_no_such_topics_leave_nothing_behind(tiny_model_dir: Path, run_command: RunCommand, tmp_path: Path):
    finished = run_command("encode_queries", *options(tmp_path / "none.tsv", tiny_model_dir, tmp_path / "output"))
    assert finished.returncode == 2
    assert finished.stderr == f"error: there is no topics file {tmp_path}/none.tsv\n"
    assert not (tmp_path / "output").exists()
