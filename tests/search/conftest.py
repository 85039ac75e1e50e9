"""The test collection by brute force, and what a fusion searches."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from pyserini_dupmae.modeling import DupMAEModel
from pyserini_dupmae.modeling.query_encoder import EncodedQuery, QueryModel
from pyserini_dupmae.search import fusion
from pyserini_dupmae.search.engines import Engines, open_engines
from tests.search.exhaustive import Documents


@pytest.fixture(scope="session")
def documents(tiny_model_dir: Path, corpus: list[tuple[str, str]]) -> Documents:
    """The test corpus, encoded one document at a time by the model's plain forward pass."""
    model = DupMAEModel.from_pretrained(tiny_model_dir).eval()
    rows, bags = [], []
    for _, text in corpus:
        batch = model.tokenizer(text, max_length=model.config.doc_max_length, truncation=True, return_tensors="pt")
        with torch.no_grad():
            output = model(batch["input_ids"], batch["attention_mask"])
        kept = torch.zeros_like(output.mu[0])
        largest = output.mu[0].topk(model.config.top_k).indices
        kept[largest] = output.mu[0][largest]
        rows.append(output.cls[0])
        bags.append(kept)
    return Documents([docid for docid, _ in corpus], torch.stack(rows).numpy(), torch.stack(bags).numpy())


@pytest.fixture(scope="session")
def query_model(tiny_model_dir: Path) -> QueryModel:
    return QueryModel.load(str(tiny_model_dir))


@pytest.fixture(scope="session")
def queries(query_model: QueryModel, topics: list[tuple[str, str]]) -> list[EncodedQuery]:
    return query_model.encode([text for _, text in topics])


@pytest.fixture(scope="session")
def opened(encoded: Path) -> Engines:
    return open_engines(encoded / "faiss", encoded / "lucene")


@pytest.fixture
def short_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a fusion start with lists of 8 and never scan, as it would be in a collection of millions."""
    monkeypatch.setattr(fusion, "FIRST_DEPTH", 8)
    monkeypatch.setattr(fusion, "LONGEST_LIST", math.inf)
