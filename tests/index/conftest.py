"""Forward stores with known contents, made without a model."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from pyserini_dupmae.modeling.identity import ModelIdentity, vocabulary_hash
from pyserini_dupmae.store import StoreInfo, write_shard

CLS_DIM = 8


@dataclass
class Documents:
    """Documents as arrays: ``cls`` (n, 8), ``token_ids`` and ``weights`` (n, k), the largest first."""

    terms: list[str]
    docids: list[str]
    cls: np.ndarray
    token_ids: np.ndarray
    weights: np.ndarray
    contents: list[str] | None = None
    activation: str = "relu"

    def write(self, out: Path, rows: slice = slice(None), shard: int = 40) -> Path:
        """Write the store of some rows below ``out``, ``shard`` documents a shard; returns ``out``."""
        docids, cls, token_ids, weights = (x[rows] for x in (self.docids, self.cls, self.token_ids, self.weights))
        contents = None if self.contents is None else self.contents[rows]
        store, checksums = out / "store", {}
        for start in range(0, len(docids), shard):
            part = slice(start, start + shard)
            text = None if contents is None else contents[part]
            name, arrays = f"shard-{len(checksums):06d}.safetensors", (cls[part], token_ids[part], weights[part])
            checksums[name] = write_shard(store / name, docids[part], *arrays, len(self.terms), text)
        (store / "terms.json").write_text(json.dumps(self.terms), encoding="utf-8")
        names, largest = list(checksums), float(weights.max())
        StoreInfo(self.model, len(docids), weights.shape[1], largest, names, checksums=checksums).write(store)
        return out

    @property
    def model(self) -> ModelIdentity:
        hashed = vocabulary_hash(self.terms)
        k = self.token_ids.shape[1]
        return ModelIdentity("model", "0", hashed, len(self.terms), CLS_DIM, k, "linear", self.activation)


def random_documents(count: int, terms: list[str], k: int, seed: int = 0) -> Documents:
    """``count`` documents of up to ``k`` distinct terms each; the third has no term at all."""
    rng = np.random.default_rng(seed)
    token_ids = np.stack([rng.permutation(len(terms))[:k] for _ in range(count)])
    weights = -np.sort(-rng.gamma(2.0, 0.7, (count, k)), axis=1).astype(np.float32)
    weights[np.arange(k) >= rng.integers(1, k + 1, count)[:, None]] = 0
    weights[2] = 0
    cls = rng.normal(size=(count, CLS_DIM)).astype(np.float32)
    return Documents(terms, [f"d{i}" for i in range(count)], cls, token_ids, weights)


@pytest.fixture
def documents() -> Documents:
    """100 documents of up to 12 of 60 terms, among them an accented one, one above U+FFFF, and ``|``."""
    terms = [*(f"term{i}" for i in range(55)), "|", "café", "\U0001f600", "##日", "x" * 300]
    result = random_documents(100, terms, 12)
    result.docids[5], result.docids[6] = "dé\U0001f600", "d|6"
    return result
