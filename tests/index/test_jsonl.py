from __future__ import annotations

import json
from fractions import Fraction
from math import ceil
from pathlib import Path

import pytest

from pyserini_dupmae.index.jsonl import write_jsonl
from pyserini_dupmae.index.quantisation import Quantisation
from pyserini_dupmae.store import ForwardStore


def lines(folder: Path) -> list[dict]:
    return [json.loads(line) for path in sorted(folder.glob("*.jsonl")) for line in path.open(encoding="utf-8")]


@pytest.mark.parametrize("with_contents", [True, False])
def test_every_document_in_both_forms(documents, tmp_path, with_contents):
    texts = [f"text {row} é\u2028" for row in range(100)] if with_contents else [""] * 100
    documents.contents = texts if with_contents else None
    store = ForwardStore(documents.write(tmp_path) / "store")
    quantisation = Quantisation.of(store.max_weight, 8)
    write_jsonl(tmp_path, store, 5, quantisation)
    dense, sparse = lines(tmp_path / "dense"), lines(tmp_path / "sparse")
    for row, (docid, text) in enumerate(zip(documents.docids, texts, strict=True)):
        weights = zip(documents.token_ids[row, :5], documents.weights[row, :5], strict=True)
        levels = {
            documents.terms[i]: ceil(Fraction(float(w)) / Fraction(quantisation.scale)) for i, w in weights if w > 0
        }
        assert sparse[row] == {"id": docid, "contents": text, "vector": levels}
        assert dense[row] == {"id": docid, "contents": text, "vector": documents.cls[row].tolist()}
    assert len(sparse) == len(dense) == 100
