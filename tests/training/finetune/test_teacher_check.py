"""The teacher beside its student before stage 3: the numbers by brute force, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pyserini_dupmae.modeling.equations import relevance
from pyserini_dupmae.modeling.loading import load_model
from pyserini_dupmae.training.data import TrainingSet
from pyserini_dupmae.training.finetune.run import finetune
from pyserini_dupmae.util.errors import UserError
from tests.helpers import write_jsonl, write_lines

from .conftest import NEGATIVES, Task, record

STEPS = {"max_steps": 1, "per_device_train_batch_size": 8, "use_cpu": True, "group_size": 3, "report_to": "none"}


def _stage3(task: Task, model: Path, output: Path, **more: Any) -> None:
    files = {"negatives": task.negatives, "scores": task.scores, "cache": task.cache}
    finetune(stage=3, model=model, data=f"{task.source}:train", output=output, **{**files, **STEPS, **more})


def _mrr(scores: list[tuple[list[float], list[float]]]) -> float:
    """Of the scores of positives and of negatives of each query."""
    ranks = [1 + sum(score > max(positives) for score in negatives) for positives, negatives in scores]
    return float(np.mean([1 / rank if rank <= 10 else 0 for rank in ranks]))


def _of_student(data: TrainingSet, folder: Path) -> list[tuple[list[float], list[float]]]:
    model = load_model(str(folder)).model
    found = []
    for number, text in enumerate(data.queries):
        query = model.encode_texts([text], max_length=model.config.query_max_length, full_bow=True)
        both = []
        for rows in (data.positives[number], data.negatives[number]):
            document = model.encode_texts(data.documents.texts(rows))
            scores = relevance(query.cls, query.bow, document.cls, document.token_ids, document.weights)
            both.append(scores[0].tolist())
        found.append((both[0], both[1]))
    return found


def _of_teacher(data: TrainingSet) -> list[tuple[list[float], list[float]]]:
    assert data.positive_scores is not None
    assert data.negative_scores is not None
    return [(high.tolist(), low.tolist()) for high, low in zip(data.positive_scores, data.negative_scores, strict=True)]


def test_both_are_measured_on_the_same_queries(task: Task, tiny_model_dir: Path, tmp_path: Path) -> None:
    _stage3(task, tiny_model_dir, tmp_path / "out", held_out_queries=1000)
    data, found = task.load(), record(tmp_path / "out")["teacher_check"]
    assert found["teacher"] == pytest.approx(_mrr(_of_teacher(data)))
    assert found["student"] == pytest.approx(_mrr(_of_student(data, tiny_model_dir)))
    assert (found["queries"], found["held_out"]) == (len(data.queries), False)
    assert found["student"] < found["teacher"]


def _held_out(task: Task, folder: Path, sign: int) -> dict[str, Any]:
    """The split dev with negatives, and scores that put positives first or last."""
    data = task.load("dev")
    mined, lines = [], []
    for number, qid in enumerate(data.query_ids):
        positives = {data.documents.docid(row) for row in data.positives[number].tolist()}
        negatives = [f"d{place}" for place in range(100) if f"d{place}" not in positives][:NEGATIVES]
        mined.append({"query_id": qid, "negatives": negatives})
        lines += [f"{qid}\t{docid}\t{sign * (docid in positives)}" for docid in (*positives, *negatives)]
    write_jsonl(folder / "dev.jsonl", mined)
    write_lines(folder / "dev.tsv", lines)
    files = {"held_out_negatives": folder / "dev.jsonl", "held_out_scores": folder / "dev.tsv"}
    return {"held_out": f"{task.source}:dev", **files}


def test_a_worse_teacher_is_refused_unless_it_is_allowed(
    task: Task, tiny_model_dir: Path, tmp_path: Path, log: pytest.LogCaptureFixture
) -> None:
    worse = _held_out(task, tmp_path, -1)
    with pytest.raises(UserError, match=r"the teacher ranks worse .* teacher 0\.2.* \(12 held-out queries\).*--allow"):
        _stage3(task, tiny_model_dir, tmp_path / "out", **worse)
    assert not (tmp_path / "out" / "finetune.json").exists()
    _stage3(task, tiny_model_dir, tmp_path / "out", **worse, allow_worse_teacher=True)
    found = record(tmp_path / "out")["teacher_check"]
    assert found["held_out"]
    assert found["teacher"] < found["student"]
    assert "the teacher is worse, as is allowed" in log.text
    _stage3(task, tiny_model_dir, tmp_path / "better", **_held_out(task, tmp_path, 1))
    assert record(tmp_path / "better")["teacher_check"]["teacher"] == 1


def test_only_stage_3_has_a_teacher(task: Task, tiny_model_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--held-out compares a teacher with its student, which stage 3 has"):
        finetune(stage=1, model=tiny_model_dir, data=f"{task.source}:train", output=tmp_path, held_out="x")
