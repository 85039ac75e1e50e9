"""A model measured on a part of a collection's queries."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyserini_dupmae.data.runs import read_run
from pyserini_dupmae.evaluation.results import read_result
from pyserini_dupmae.training.run.evaluate import main
from tests.helpers import write_jsonl


def test_a_part_of_the_queries(corpus: list[tuple[str, str]], tiny_model_dir: Path, tmp_path: Path) -> None:
    """Of five queries, which every fourth document answers."""
    (tmp_path / "docs" / "qrels").mkdir(parents=True)
    write_jsonl(tmp_path / "docs" / "corpus.jsonl", [{"_id": docid, "text": text} for docid, text in corpus])
    relevant = [docid for docid, _ in corpus[::4]]
    write_jsonl(tmp_path / "docs" / "queries.jsonl", [{"_id": f"q{i}", "text": corpus[i][1]} for i in range(5)])
    lines = [f"q{i}\t{docid}\t1\n" for i in range(5) for docid in relevant]
    (tmp_path / "docs" / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n" + "".join(lines))
    words = ["--encoder", tiny_model_dir, "--data", f"{tmp_path / 'docs'}:test", "--output", tmp_path / "out"]
    main([*map(str, words), "--queries", "2"])
    run = read_run(tmp_path / "out" / "search" / "docs-test.hybrid.txt").scores
    assert set(run) == {"q0", "q2"}
    first = {
        qid: next(rank for rank, docid in enumerate(scores, 1) if docid in relevant) for qid, scores in run.items()
    }
    expected = {qid: 1 / rank if rank <= 10 else 0 for qid, rank in first.items()}
    found = read_result(tmp_path / "out" / "docs-test.hybrid.result.json")
    assert found.per_query["MRR@10"] == pytest.approx(expected)
    assert found.metrics["MRR@10"] == pytest.approx(sum(expected.values()) / 2)
