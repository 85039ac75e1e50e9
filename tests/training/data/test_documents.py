"""Documents on disk: what is written is found again, by any process."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from pyserini_dupmae.training.data import DocumentFiles
from pyserini_dupmae.training.data import documents as module
from pyserini_dupmae.util.errors import UserError


def written(folder: Path, pairs: list[tuple[str, str]]) -> DocumentFiles:
    folder.mkdir()
    module.write_documents(iter(pairs), folder)
    return DocumentFiles(folder)


def test_rows_docids_and_texts_over_several_batches(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "BATCH", 7)
    pairs = [(f"é{number * 37 % 100}", f"text ü {number}") for number in range(100)]
    documents = written(tmp_path / "documents", pairs)
    docids = [docid for docid, _ in pairs]
    assert len(documents) == 100
    assert [documents.docid(row) for row in range(100)] == [docid for docid, _ in pairs]
    assert [documents.row(docid) for docid, _ in pairs] == list(range(100))
    chosen = np.random.default_rng(0).integers(0, 100, 40)
    assert documents.texts(chosen) == [pairs[row][1] for row in chosen]
    assert documents.rows(["é99", "nothing", pairs[5][0]]).tolist() == [docids.index("é99"), -1, 5]


def test_unknown_docids(tmp_path):
    documents = written(tmp_path / "documents", [("a", ""), ("b", "text")])
    for docid in ("", "c", "aa"):
        with pytest.raises(KeyError):
            documents.row(docid)
    assert documents.texts([0]) == [""]
    assert documents.rows([]).tolist() == []


def test_a_pickle_holds_no_text(tmp_path):
    documents = written(tmp_path / "documents", [(str(number), "text " * 100) for number in range(100)])
    pickled = pickle.dumps(documents)
    assert len(pickled) < 500
    assert pickle.loads(pickled).texts([99]) == documents.texts([99])


@pytest.mark.parametrize(
    ("pairs", "message"),
    [([], "no documents"), ([("a", "x"), ("b", "y"), ("a", "z")], r"docid 'a' occurs twice \(documents 1 and 3\)")],
)
def test_what_is_no_corpus(tmp_path, pairs, message):
    with pytest.raises(UserError, match=message):
        written(tmp_path / "documents", pairs)
