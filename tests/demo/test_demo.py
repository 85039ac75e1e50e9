"""The demo command from end to end, on a small part of its collection."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pyserini_dupmae.demo.__main__ import main
from pyserini_dupmae.demo.docstrings import build
from pyserini_dupmae.util.command import run_command

DOCUMENTS = 60
SYSTEMS = ("BM25 (Lucene)", "DupMAE, [CLS] only", "DupMAE, bag of words only", "DupMAE, both (Eq. 12)")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo") / "work"


@pytest.fixture
def demo(folder: Path, tiny_model_dir: Path, capfd: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run the demo in ``folder``; returns its standard output."""

    def run(*options: str) -> str:
        main(["--documents", str(DOCUMENTS), "--output", str(folder), "--encoder", str(tiny_model_dir), *options])
        return capfd.readouterr().out

    return run


def test_table_and_explained_answer(demo, folder):
    out = demo("--query", "copy a file")
    collection = build(queries=DOCUMENTS // 6, documents=DOCUMENTS)
    assert f"{DOCUMENTS // 6} queries, {DOCUMENTS} documents" in out
    rows = {line.split("  ")[0]: line.split()[-3:] for line in out.splitlines()}
    assert all(0 <= float(value) <= 1 for name in SYSTEMS for value in rows[name])
    (first,) = (line for line in out.splitlines() if line.startswith("1. "))
    docid, score, cls, words = first.split()[1], *(float(first.split()[i]) for i in (2, 5, 8))
    assert docid in collection.documents
    assert score == pytest.approx(cls + words, abs=0.02)
    corpus = [json.loads(line) for line in (folder / "collection" / "corpus.jsonl").read_text("utf-8").splitlines()]
    assert {line["id"]: line["contents"] for line in corpus} == collection.documents


def test_questions_from_a_pipe(demo, monkeypatch):
    reader, writer = os.pipe()
    os.write(writer, b"copy a file\n\nread a line\n")
    os.close(writer)
    with os.fdopen(reader) as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        out = demo()
    assert sum(line.startswith("1. ") for line in out.splitlines()) == 2


def test_a_second_start_does_only_what_is_missing(demo, folder):
    demo()
    made = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    assert "$ python -m" not in demo()
    assert made == {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    (folder / "table.json").unlink()
    shutil.rmtree(folder / "index" / "lucene")
    out = demo()
    assert "$ python -m pyserini_dupmae.encode" in out
    assert "$ python -m pyserini.index.lucene" not in out
    assert (folder / "table.json").exists()


def test_another_collection_in_the_folder(demo, folder, capfd):
    demo()
    with pytest.raises(SystemExit) as stop:
        run_command(lambda: main(["--documents", "30", "--output", str(folder), "--encoder", "unused"]))
    assert stop.value.code == 2
    assert f"{folder} holds another collection" in capfd.readouterr().err


def test_no_such_encoder(tmp_path, capfd):
    with pytest.raises(SystemExit) as stop:
        run_command(lambda: main(["--documents", "30", "--output", str(tmp_path), "--encoder", str(tmp_path / "none")]))
    assert stop.value.code == 2
    assert f"no model '{tmp_path / 'none'}'" in capfd.readouterr().err
