"""What a step is given."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from pyserini_dupmae.modeling.loading import load_model
from pyserini_dupmae.training.data import CombinedTrainingSet, EpochSampling
from pyserini_dupmae.training.finetune.batches import GroupCollator, Groups, Tokeniser

from .conftest import Task


def _groups(task: Task, negatives: int, scored: bool) -> Groups:
    data = CombinedTrainingSet([task.load()], scored=scored)
    return Groups(data, EpochSampling(data, 0, negatives, 3))


def test_a_key_is_a_query_in_an_epoch(task: Task) -> None:
    groups = _groups(task, 3, False)
    first, again = ([groups[epoch * len(groups) + 4] for epoch in range(5)] for _ in range(2))
    assert {group.text for group in first} == {task.load().queries[4]}
    assert [group.rows.tolist() for group in first] == [group.rows.tolist() for group in again]
    assert len({tuple(group.rows) for group in first}) > 1
    positives = set(task.load().positives[4].tolist())
    for group in first:
        assert group.rows[0] in positives
        assert not positives & set(group.rows[1:].tolist())
        assert group.documents == task.load().documents.texts(group.rows)
        assert set(group.rows[1:]) == set(task.load().negatives[4][:3])  # depth 3


def test_a_batch_holds_the_texts_group_by_group(tiny_model_dir: Path, task: Task) -> None:
    model = load_model(str(tiny_model_dir)).model
    groups = [_groups(task, 2, True)[key] for key in (3, 0, 8)]
    batch = GroupCollator(Tokeniser(model), with_texts=True)(groups)
    documents = [document for group in groups for document in group.documents]
    assert batch["texts"] == [group.text for group in groups] + documents
    assert batch["query"].tolist() == [3, 0, 8]
    assert batch["rows"].tolist() == [row for group in groups for row in group.rows]
    assert batch["documents"]["input_ids"].shape[0] == 9
    text = model.tokenizer.decode(batch["documents"]["input_ids"][4], skip_special_tokens=True)
    assert text == documents[4]
    data = task.load()
    for group, scores in zip(groups, batch["scores"], strict=True):
        known = dict(zip(data.positives[group.query], data.positive_scores[group.query], strict=True))
        known |= dict(zip(data.negatives[group.query], data.negative_scores[group.query], strict=True))
        assert scores.tolist() == [known[row] for row in group.rows]


def test_texts_are_cut_as_they_are_encoded(tiny_model_dir: Path) -> None:
    model = load_model(str(tiny_model_dir)).model
    tokenise, long = Tokeniser(model), "value " * 400
    assert tokenise([long], True)["input_ids"].shape == (1, model.config.query_max_length)
    assert tokenise([long], False)["input_ids"].shape == (1, model.config.doc_max_length)


def test_what_is_relevant_to_another_query_is_marked_unless_it_is_its_own_positive(task: Task) -> None:
    groups, data = _groups(task, 1, False), task.load()
    queries = np.array([0, 4, 0])  # 0 stands twice: its other positive, or the same one again
    rows = np.array([data.positives[0][0], 7, data.positives[4][0], data.positives[0][1], data.positives[0][1], 9])
    found = groups.other_positives(queries, rows)
    for place, query in enumerate(queries):
        for column, row in enumerate(rows):
            assert found[place, column] == (row in data.positives[query] and column != place * 2)
    assert found.sum() == 4
    assert torch.from_numpy(found).dtype == torch.bool
