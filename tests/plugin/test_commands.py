"""Pyserini's other commands with a DupMAE model, and what the plugin leaves alone."""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import faiss
import numpy as np
import pyserini.encode
import pytest
from pyserini.encode import AutoQueryEncoder, CachedDataQueryEncoder, DprQueryEncoder
from pyserini.search.lucene import LuceneImpactSearcher
from transformers import BertConfig, BertModel

from pyserini_dupmae import DupMAEDocumentEncoder, DupMAEModel, DupMAEQueryEncoder
from pyserini_dupmae.index.info import IndexInfo
from pyserini_dupmae.modeling.default import DEFAULT_MODEL
from pyserini_dupmae.modeling.impacts import QUERY_SCALE
from pyserini_dupmae.plugin.patches import is_dupmae

# Pyserini's commands choose by these substrings of the path; "ance" is in "balance".
NAMES = ["model", "balance", "my-dpr-model", "sentence-bert"]
DOCUMENTS = 20


@pytest.fixture(params=NAMES)
def model_anywhere(request: pytest.FixtureRequest, tiny_model_dir: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_model_dir, tmp_path / request.param))


@pytest.fixture
def some_documents(corpus_file: Path, tmp_path: Path) -> Path:
    """The first `DOCUMENTS` of the corpus."""
    path = tmp_path / "some.jsonl"
    lines = corpus_file.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join(lines[:DOCUMENTS]), encoding="utf-8")
    return path


def ranked(run: list[tuple[str, float]]) -> list[float]:
    return [score for _, score in run]


def test_faiss_command_takes_any_folder(
    model_anywhere: Path, encoded: Path, topics_file: Path, pyserini_command: Callable, read_run: Callable,
    parts: tuple, corpus: list, topics: list, tmp_path: Path,
):  # fmt: skip
    output = tmp_path / "run.txt"
    arguments = ["--index", encoded / "faiss", "--encoder", model_anywhere, "--topics", topics_file]
    pyserini_command("pyserini.search.faiss", *arguments, "--output", output, "--hits", 20)
    run = read_run(output)
    for (qid, _), dense in zip(topics, parts[0], strict=True):
        assert ranked(run[qid]) == pytest.approx(sorted(dense, reverse=True)[:20], rel=1e-4, abs=1e-5)


def test_faiss_command_takes_the_encoder_class(
    tiny_model_dir: Path,
    encoded: Path,
    topics_file: Path,
    pyserini_command: Callable,
    read_run: Callable,
    tmp_path: Path,
):
    arguments = ["--index", encoded / "faiss", "--encoder", tiny_model_dir, "--topics", topics_file, "--hits", 20]
    pyserini_command("pyserini.search.faiss", *arguments, "--output", tmp_path / "a", "--encoder-class", "dupmae")
    pyserini_command("pyserini.search.faiss", *arguments, "--output", tmp_path / "b", "--batch-size", 7, "--threads", 2)
    one, batched = read_run(tmp_path / "a"), read_run(tmp_path / "b")
    for qid, hits in one.items():
        assert ranked(hits) == pytest.approx(ranked(batched[qid]), rel=1e-4, abs=1e-5)


def test_impact_command_ranks_by_the_bag_of_words(
    tiny_model_dir: Path, encoded: Path, topics_file: Path, pyserini_command: Callable, read_run: Callable,
    parts: tuple, corpus: list, topics: list, tmp_path: Path,
):  # fmt: skip
    output = tmp_path / "run.txt"
    arguments = ["--index", encoded / "lucene", "--impact", "--encoder", tiny_model_dir, "--min-idf", -1]
    pyserini_command("pyserini.search.lucene", *arguments, "--topics", topics_file, "--output", output, "--hits", 50)
    run = read_run(output)
    scale = IndexInfo.read(encoded / "lucene").scale / QUERY_SCALE
    docids = [docid for docid, _ in corpus]
    for (qid, _), sparse in zip(topics, parts[1], strict=True):
        exact = dict(zip(docids, sparse, strict=True))
        assert len(run[qid]) == min(50, np.count_nonzero(sparse))
        for docid, score in run[qid]:
            assert score * scale == pytest.approx(exact[docid], rel=0.05)


def test_encode_command_writes_the_cls_part(
    model_anywhere: Path, some_documents: Path, corpus: list, pyserini_command: Callable, tmp_path: Path
):
    output = ["output", "--embeddings", tmp_path / "out", "--to-faiss"]
    encoder = ["encoder", "--encoder", model_anywhere, "--device", "cpu", "--dimension", 16, "--batch-size", 8]
    pyserini_command("pyserini.encode", "input", "--corpus", some_documents, "--delimiter", "\0", *output, *encoder)
    index = faiss.read_index(str(tmp_path / "out" / "index"))
    model = DupMAEModel.from_pretrained(model_anywhere)
    expected = np.concatenate([model.encode_texts([text]).cls.numpy() for _, text in corpus[:DOCUMENTS]])
    np.testing.assert_allclose(index.reconstruct_n(0, index.ntotal), expected, rtol=1e-3, atol=1e-4)


def test_encode_command_takes_the_encoder_class(
    tiny_model_dir: Path, some_documents: Path, pyserini_command: Callable, tmp_path: Path
):
    encoder = ["encoder", "--encoder", tiny_model_dir, "--device", "cpu", "--encoder-class", "dupmae"]
    output = ["output", "--embeddings", tmp_path / "out"]
    pyserini_command("pyserini.encode", "input", "--corpus", some_documents, "--delimiter", "\0", *output, *encoder)
    lines = (tmp_path / "out" / "embeddings.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(json.loads(lines[0])["vector"]) == 16


@pytest.mark.slow
def test_switched_off_the_encoder_class_is_unknown(
    tiny_model_dir: Path, some_documents: Path, python: Callable, tmp_path: Path
):
    # Nobody prepares Java for Pyserini then, so the test does.
    code = (
        "import pyserini_dupmae.jvm as jvm, runpy; jvm.start(); runpy.run_module('pyserini.encode', None, '__main__')"
    )
    arguments = ["input", "--corpus", some_documents, "output", "--embeddings", tmp_path / "out"]
    arguments += ["encoder", "--encoder", tiny_model_dir, "--encoder-class", "dupmae"]
    process = python("-c", code, *arguments, PYSERINI_DUPMAE_PLUGIN="0", OPENAI_API_KEY="none")
    assert process.returncode == 2
    assert "invalid choice: 'dupmae'" in process.stderr


def test_other_models_stay_pyserini_s(tmp_path: Path):
    """A folder called dupmae that holds another model is Pyserini's business, as is every other class."""
    folder = tmp_path / "dupmae"
    config = BertConfig(vocab_size=10, hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8)
    BertModel(config).save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcde"]))
    assert not is_dupmae(str(folder))
    assert type(AutoQueryEncoder(encoder_dir=str(folder))) is AutoQueryEncoder
    assert "dupmae" not in list(pyserini.encode.query_encoder_class_map)
    assert pyserini.encode.query_encoder_class_map["dpr"] is DprQueryEncoder
    with pytest.raises(KeyError):
        pyserini.encode.query_encoder_class_map["unknown"]
    vectors = tmp_path / "queries.jsonl"
    vectors.write_text(json.dumps({"contents": "a", "vector": {"a": 1}}))
    encoder = LuceneImpactSearcher._init_query_encoder_from_str(str(vectors))
    assert type(encoder) is CachedDataQueryEncoder


def in_hub_cache(cache: Path, name: str, model_type: str) -> str:
    """Put the configuration of a model of the Hub where ``huggingface_hub`` keeps what it has fetched."""
    folder = cache / f"models--{name.replace('/', '--')}"
    revision = "0" * 40
    (folder / "snapshots" / revision).mkdir(parents=True)
    (folder / "snapshots" / revision / "config.json").write_text(json.dumps({"model_type": model_type}))
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text(revision)
    return name


def test_a_name_of_the_hub_is_what_its_configuration_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    assert is_dupmae(in_hub_cache(tmp_path, "someone/a-model", "dupmae"))
    assert not is_dupmae(in_hub_cache(tmp_path, "someone/dupmae-like", "bert"))
    assert not is_dupmae("someone/dupmae-not-here")
    assert not is_dupmae("dupmae")
    assert is_dupmae(DEFAULT_MODEL)
    assert not is_dupmae(None)


def test_classes_can_be_looked_up():
    assert pyserini.encode.query_encoder_class_map["dupmae"] is DupMAEQueryEncoder
    assert pyserini.encode.document_encoder_class_map["dupmae"] is DupMAEDocumentEncoder


def test_other_programs_options_are_left_alone():
    parser = argparse.ArgumentParser()
    parser.add_argument("--encoder-class", choices=["a", "b"])
    with pytest.raises(SystemExit):
        parser.parse_args(["--encoder-class", "dupmae"])


def test_a_model_that_is_not_there_is_one_line(
    encoded: Path, topics_file: Path, quick_python: Callable, tmp_path: Path
):
    arguments = ["--index", encoded / "faiss", "--encoder", tmp_path / "no-dupmae", "--topics", topics_file]
    process = quick_python("-m", "pyserini.search.faiss", *arguments, "--output", tmp_path / "run")
    assert process.returncode == 2
    assert process.stderr.splitlines()[-1].startswith(f"error: no model '{tmp_path}/no-dupmae'")
    assert "Traceback" not in process.stderr


def test_a_program_of_one_s_own_keeps_its_traceback(python: Callable):
    mistake = "from pyserini_dupmae.util.errors import UserError; raise UserError('mine')"
    process = python("-c", f"import pyserini; {mistake}")
    assert process.returncode == 1
    assert process.stderr.startswith("Traceback")
    assert process.stderr.rstrip().endswith("UserError: mine")
