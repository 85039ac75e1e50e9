"""The demo from end to end, on a small part of its collection: the function, and the command."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pyserini_dupmae.demo.__main__ import main
from pyserini_dupmae.demo.docstrings import build
from pyserini_dupmae.demo.run import DemoResult, demo
from pyserini_dupmae.demo.systems import BM25, DUPMAE, METRICS, MINILM, PAIR, systems
from pyserini_dupmae.util.errors import UserError

DOCUMENTS = 60
pytestmark = pytest.mark.slow  # what makes the demo's folder


@pytest.fixture
def folder(made: DemoResult, tmp_path: Path) -> Path:
    """A copy of the small demo's folder, to be changed."""
    return shutil.copytree(made.folder, tmp_path / "work")


@pytest.fixture
def command(tiny_model_dir: Path, capfd: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run the command in a folder; returns its standard output."""

    def run(folder: Path, *options: str) -> str:
        main(["--documents", str(DOCUMENTS), "--output", str(folder), "--encoder", str(tiny_model_dir), *options])
        return capfd.readouterr().out

    return run


def test_the_collection_and_the_table(made):
    expected = build(queries=DOCUMENTS // 6, documents=DOCUMENTS)
    assert made.collection == expected
    corpus = (made.folder / "collection" / "corpus.jsonl").read_text("utf-8").splitlines()
    assert {line["id"]: line["contents"] for line in map(json.loads, corpus)} == expected.documents
    assert list(made.scores) == systems() == [BM25, MINILM, PAIR, *DUPMAE.values()]
    rows = [line.rsplit(maxsplit=3) for line in str(made).splitlines()[4:]]
    printed = {name.strip(): values for name, *values in rows}
    for name, means in made.scores.items():
        assert printed[name] == [f"{means[metric]:.3f}" for metric in METRICS]
        assert all(0 <= value <= 1 for value in means.values())
    assert made.scores[MINILM]["nDCG@10"] > 0.5  # ten summary lines among sixty docstrings
    assert f"{DOCUMENTS // 6} queries, {DOCUMENTS} documents" in str(made)


def test_an_explained_answer(made):
    (first,) = (line for line in made.answer("copy a file").splitlines() if line.startswith("1. "))
    docid, score, cls, words = first.split()[1], *(float(first.split()[i]) for i in (2, 5, 10))
    assert docid == made.searcher.search("copy a file", 1)[0].docid
    assert score == pytest.approx(cls + words, abs=0.02)


def test_the_command_answers_one_question(command, folder, made):
    out = command(folder, "--query", "copy a file")
    assert out.split("\n\n", 1)[1].strip().endswith(made.answer("copy a file"))
    assert str(made).partition("\n\n")[2] in out


def test_questions_from_a_pipe(command, folder, made, monkeypatch):
    reader, writer = os.pipe()
    os.write(writer, b"copy a file\n\nread a line\n")
    os.close(writer)
    with os.fdopen(reader) as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        out = command(folder)
    assert out.index(made.answer("copy a file")) < out.index(made.answer("read a line"))


def test_a_second_start_does_only_what_is_missing(command, folder):
    made = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    command(folder, "--query", "copy")
    assert made == {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    table = (folder / "table.json").read_bytes()
    (folder / "table.json").unlink()
    shutil.rmtree(folder / "index" / "lucene")
    command(folder, "--query", "copy")
    assert (folder / "table.json").read_bytes() == table
    made_before = [path for path in made if "lucene" not in path.parts and path.suffix != ".json"]
    kept = [path for path in made_before if path.exists()]
    assert kept == made_before
    assert any(path.suffix == ".safetensors" for path in kept)
    assert {path: made[path] for path in kept} == {path: path.stat().st_mtime_ns for path in kept}
    assert (folder / "index" / "lucene").is_dir()


def test_another_demo_in_the_folder(folder, tiny_model_dir):
    with pytest.raises(UserError, match=r"was begun with documents 60, not 30"):
        demo(encoder=tiny_model_dir, documents=30, output=folder)


def test_no_such_encoder(tmp_path):
    with pytest.raises(UserError, match=f"no model '{tmp_path / 'none'}'"):
        demo(encoder=tmp_path / "none", documents=30, output=tmp_path)
