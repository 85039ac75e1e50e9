"""The dev set's numbers against a ranking of all documents written out here."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from pyserini_dupmae.modeling.loading import load_model
from pyserini_dupmae.modeling.model import DupMAEModel
from pyserini_dupmae.training.finetune.batches import Tokeniser
from pyserini_dupmae.training.finetune.dev import DevSet
from pyserini_dupmae.training.finetune.model import FinetuneModel

from .conftest import TRAIN, Task


def _evaluate(dev: DevSet, model: DupMAEModel) -> dict[str, float]:
    return dev.evaluate(FinetuneModel(model).eval(), Tokeniser(model))


def _by_hand(dev: DevSet, model: DupMAEModel) -> dict[str, float]:
    queries = model.encode_texts(dev.queries, max_length=model.config.query_max_length, full_bow=True)
    documents = model.encode_texts(dev.documents)
    sums: dict[str, float] = {}
    for number, qid in enumerate(dev.query_ids):
        found: dict[str, dict[str, float]] = {"cls": {}, "ot": {}, "hybrid": {}}
        for row, docid in enumerate(dev.docids):
            cls = sum((queries.cls[number] * documents.cls[row]).tolist())
            terms = zip(documents.token_ids[row].tolist(), documents.weights[row].tolist(), strict=True)
            ot = sum(queries.bow[number, term].item() * weight for term, weight in terms)
            for mode, value in (("cls", cls), ("ot", ot), ("hybrid", cls + ot)):
                found[mode][docid] = value
        for mode, scores in found.items():
            ranked = sorted(scores, key=scores.__getitem__, reverse=True)[:10]
            relevant = [dev.qrels[qid].get(docid, 0) for docid in ranked]
            rank = next((place for place, grade in enumerate(relevant, 1) if grade), None)
            ideal = _gain(sorted(dev.qrels[qid].values(), reverse=True))
            for name, value in (("mrr@10", 1 / rank if rank else 0), ("ndcg@10", _gain(relevant) / ideal)):
                sums[f"{mode}_{name}"] = sums.get(f"{mode}_{name}", 0) + value / len(dev.query_ids)
    return sums


def _gain(grades: list[int]) -> float:
    return sum(grade / math.log2(place + 1) for place, grade in enumerate(grades, 1))


@pytest.fixture(scope="module")
def model(tiny_model_dir: Path) -> DupMAEModel:
    return load_model(str(tiny_model_dir)).model


def test_metrics_are_those_of_a_ranking_of_all_documents(model: DupMAEModel, task: Task) -> None:
    dev = DevSet.sample(task.load("train"), 100, 70, 0)
    assert (len(dev.queries), len(dev.documents)) == (TRAIN, 70)  # more than a batch
    expected = _by_hand(dev, model)
    assert len(set(expected.values())) == 6  # they tell modes and metrics apart
    assert _evaluate(dev, model) == pytest.approx(expected)


def test_scores_are_not_rounded_where_the_model_runs_in_bfloat16(model: DupMAEModel) -> None:
    """Two documents whose scores differ by less than bfloat16 can tell."""
    words = "value list file date number color thread socket heap turtle string object"
    texts = {f"d{place}": words + " return" * place for place in range(12)}
    dev = DevSet(["q"], [words], list(texts), list(texts.values()), {"q": {}})
    found = dev._search(FinetuneModel(model), Tokeniser(model), range(12))
    with torch.autocast("cpu", torch.bfloat16):
        rounded = dev._search(FinetuneModel(model), Tokeniser(model), range(12))
    for mode, hits in rounded.items():
        assert len(set(hits["q"].values())) == len(set(found[mode]["q"].values())) == 10


def test_a_sample_has_all_that_is_relevant_to_its_queries(task: Task) -> None:
    source = task.load("dev")
    first, again, other = (DevSet.sample(source, 5, 40, seed) for seed in (0, 0, 1))
    assert first == again
    assert first.query_ids != other.query_ids
    assert len(first.queries) == len(first.qrels) == 5
    assert len(first.docids) == len(set(first.docids)) == 40
    for qid, text in zip(first.query_ids, first.queries, strict=True):
        number = source.query_ids.index(qid)
        judged = dict(zip(source.positives[number].tolist(), source.relevance[number].tolist(), strict=True))
        assert source.queries[number] == text
        assert first.qrels[qid] == {source.documents.docid(row): grade for row, grade in judged.items()}
        assert set(first.qrels[qid]) <= set(first.docids)
    rows = [source.documents.row(docid) for docid in first.docids]
    assert source.documents.texts(rows) == first.documents
    fewer = DevSet.sample(source, 12, 3, 0)  # what is relevant stays
    assert len(fewer.docids) == len(np.unique(np.concatenate(list(source.positives))))
