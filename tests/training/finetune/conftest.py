"""Queries that can be learned: each has words of its document."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from pyserini_dupmae.modeling import DupMAEModel
from pyserini_dupmae.modeling.loading import load_model
from pyserini_dupmae.training.data import TrainingSet, load_training_set
from tests.helpers import write_beir, write_jsonl, write_lines

WORDS = "return value list file date number color thread socket heap turtle string object index name type path time key"
WORDS += " line message text error default module option command method header length digit angle screen iterator item"
TRAIN, DEV, NEGATIVES = 32, 12, 4
SGD = ["--optim", "sgd", "--learning_rate", "1", "--lr_scheduler_type", "constant", "--warmup_steps", "0"]
SGD += ["--weight_decay", "0", "--max_grad_norm", "0", "--max_steps", "1"]
"""Plain SGD at rate 1: how far a weight moves is its gradient."""


class Task(NamedTuple):
    """A BEIR folder with the splits train and dev, negatives and scores of train."""

    source: Path
    negatives: Path
    scores: Path
    cache: Path

    def options(self, stage: int, model: Path, output: Path, *more: object) -> list[str]:
        """A command line for ``stage`` with the data it needs, on batches of 8 queries."""
        options = ["--stage", stage, "--from", model, "--data", f"{self.source}:train", "--output", output]
        options += ["--cache", self.cache, "--per_device_train_batch_size", 8, "--logging_steps", 1, "--use_cpu"]
        if stage > 1:
            options += ["--negatives", self.negatives, "--group-size", 3]
        if stage > 2:
            options += ["--scores", self.scores]
        return [str(option) for option in (*options, *more)]

    def load(self, split: str = "train") -> TrainingSet:
        beside = (self.negatives, self.scores) if split == "train" else ()
        return load_training_set(f"{self.source}:{split}", self.cache, *beside)


@pytest.fixture(scope="session")
def task(tmp_path_factory: pytest.TempPathFactory) -> Task:
    """44 queries of two words each, 100 documents; every fourth query has two positives, of relevance 2 and 1."""
    folder = tmp_path_factory.mktemp("finetune")
    generator = np.random.default_rng(0)
    documents = {f"d{number}": generator.choice(WORDS.split(), generator.integers(5, 12)) for number in range(100)}
    queries, qrels, negatives, scores = {}, {}, {}, {}
    for number in range(TRAIN + DEV):
        qid, own = f"q{number}", [f"d{number}"] + ([f"d{99 - number}"] if number % 4 == 0 else [])
        queries[qid] = " ".join(generator.choice(documents[own[0]], 2))
        qrels[qid] = {docid: len(own) - place for place, docid in enumerate(own)}
        others = [docid for docid in documents if docid not in own]
        negatives[qid] = generator.choice(others, NEGATIVES, replace=False).tolist()
        scores[qid] = {docid: float(generator.normal(4 * (docid in own))) for docid in own + negatives[qid]}
    source = folder / "beir"
    texts = {docid: " ".join(words) for docid, words in documents.items()}
    ids = list(queries)
    train, dev = ({qid: qrels[qid] for qid in qids} for qids in (ids[:TRAIN], ids[TRAIN:]))
    write_beir(source, texts, queries, train=train, dev=dev)
    write_jsonl(folder / "negatives.jsonl", [{"query_id": qid, "negatives": negatives[qid]} for qid in ids[:TRAIN]])
    lines = [f"{qid}\t{docid}\t{score}" for qid in ids[:TRAIN] for docid, score in scores[qid].items()]
    write_lines(folder / "scores.tsv", lines)
    return Task(source, folder / "negatives.jsonl", folder / "scores.tsv", folder / "cache")


def without_dropout(folder: Path) -> DupMAEModel:
    """The model in ``folder``, whose steps depend on the batch alone, in training mode."""
    model = load_model(str(folder)).model
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    model.config.encoder.hidden_dropout_prob = model.config.encoder.attention_probs_dropout_prob = 0.0
    return model.train()


@pytest.fixture(scope="session")
def steady_model_dir(tiny_model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`tiny_model_dir` without dropout."""
    folder = tmp_path_factory.mktemp("models") / "steady"
    without_dropout(tiny_model_dir).save_pretrained(folder)
    return folder


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def record(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "finetune.json").read_text())


def logged(folder: Path, key: str) -> list[float]:
    """The values that a run logged under ``key``."""
    return [entry[key] for entry in record(folder)["history"] if key in entry]
