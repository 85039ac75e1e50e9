"""The encode command from end to end: what it writes, what it goes on with, and what it refuses."""

import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from pyserini_dupmae import DupMAESearcher
from pyserini_dupmae.modeling import DupMAEModel
from pyserini_dupmae.store import ForwardStore, Shard, StoreInfo
from tests.index.test_lucene import read_postings

SMALL_SHARDS = ("--store-only", "--shard-size", "32")


def contents_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def command(corpus: Path, output: Path, model: Path, *options: str) -> list[str]:
    words = [sys.executable, "-m", "pyserini_dupmae.encode", "input", "--corpus", str(corpus)]
    return [*words, "output", "--index", str(output), *options, "encoder", "--encoder", str(model)]


def test_the_store_holds_what_the_model_gives(encode, corpus, corpus_file, tiny_model_dir, tmp_path):
    finished = encode(corpus_file, *SMALL_SHARDS, "--store-contents")
    assert finished.status == 0, finished.stderr
    store = ForwardStore(tmp_path / "out" / "store")
    assert list(store.docids) == [docid for docid, _ in corpus]
    assert [store.content(row) for row in range(len(store))] == [text.strip() for _, text in corpus]
    model = DupMAEModel.from_pretrained(tiny_model_dir)
    assert store.terms == model.terms
    expected = [model.encode_texts([text], full_bow=True) for _, text in corpus]
    cls, token_ids, weights = store.gather(np.arange(len(store)))
    assert np.allclose(cls, torch.cat([one.cls for one in expected]), atol=1e-4)
    assert np.allclose(weights, torch.cat([one.weights for one in expected]), atol=1e-4)
    for ids, kept, one in zip(token_ids, weights, expected, strict=True):
        present = ids[kept > 0]
        assert len(set(present.tolist())) == len(present)
        assert np.allclose(kept[kept > 0], one.bow[0].numpy()[present], atol=1e-4)
    assert store.max_weight == weights.max()
    assert not weights[-1].any()
    assert f"{len(corpus)} documents" in finished.stdout
    assert "pyserini_dupmae.index --index" in finished.stdout


def test_encoder_options(encode, corpus, corpus_file, tiny_model_dir, tmp_path, monkeypatch):
    together = []
    represent = DupMAEModel.represent

    def counted(self, input_ids, attention_mask, *query):
        together.append(len(input_ids))
        return represent(self, input_ids, attention_mask, *query)

    monkeypatch.setattr(DupMAEModel, "represent", counted)
    options = ("--top-k", "7", "--max-length", "10", "--batch-size", "5", "--device", "cpu")
    assert encode(corpus_file, *SMALL_SHARDS, encoder=options).status == 0
    assert together == ([5] * 6 + [2]) * 9 + [5] * 2 + [3]  # shards of 32, and of 13
    store = ForwardStore(tmp_path / "out" / "store")
    assert store.top_k == 7
    model = DupMAEModel.from_pretrained(tiny_model_dir)
    expected = [model.encode_texts([text], max_length=10, top_k=7) for _, text in corpus]
    cls, _, weights = store.gather(np.arange(len(corpus)))
    assert np.allclose(cls, torch.cat([one.cls for one in expected]), atol=1e-4)
    assert np.allclose(weights, torch.cat([one.weights for one in expected]), atol=1e-4)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_the_model_computes_in_the_dtype(encode, jsonl, tmp_path, dtype):
    corpus = jsonl([{"id": str(i), "contents": text} for i, text in enumerate(("a file", "the turtle", "one day"))])
    assert encode(corpus, "--store-only", encoder=("--dtype", dtype)).status == 0
    for values in ForwardStore(tmp_path / "out" / "store").gather(range(3))[::2]:
        exact = [other for other in ("bfloat16", "float16", "float32") if (values == rounded(values, other)).all()]
        assert exact[0] == dtype  # the coarsest that holds them


def rounded(values: np.ndarray, dtype: str) -> np.ndarray:
    return torch.from_numpy(values).to(getattr(torch, dtype)).float().numpy()


@pytest.mark.slow
def test_indexes_and_the_command_to_search_them(
    encode, encoded, corpus, corpus_file, tiny_model_dir, topics, warm_python, tmp_path
):
    for name in ("store/store.json", "faiss/index", "faiss/docid", "faiss/dupmae.json", "lucene/dupmae.json"):
        assert (encoded / name).exists()
    finished = encode(corpus_file, "--resume", output=encoded)
    assert "0 of them encoded" in finished.stdout
    heading, *commands = finished.stdout.splitlines()[-3:]
    assert heading == "search it with:"
    (tmp_path / "topics.tsv").write_text("".join(f"{qid}\t{text}\n" for qid, text in topics[:3]), encoding="utf-8")
    for printed, module in zip(commands, ("pyserini_dupmae.search", "pyserini.search.hybrid"), strict=True):
        words = shlex.split(printed.replace("TOPICS", "topics.tsv"))
        assert words[:3] == ["python", "-m", module]
        subprocess.run([warm_python, *words[1:]], cwd=tmp_path, check=True, capture_output=True)
        lines = [line.split() for line in (tmp_path / "run.txt").read_text(encoding="utf-8").splitlines()]
        with DupMAESearcher(encoded, tiny_model_dir) as searcher:
            for qid, text in topics[:3]:
                scores = [float(line[4]) for line in lines if line[0] == qid]
                assert scores == pytest.approx([hit.score for hit in searcher.search(text, k=len(corpus))], rel=1e-4)


@pytest.mark.slow
def test_killed_in_the_middle_the_same_command_gives_the_same_bytes(
    encode, run_command, corpus, jsonl, tiny_model_dir, tmp_path
):
    corpus_file = jsonl([{"id": docid, "contents": text} for docid, text in corpus[:100]])
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    options = ("--to-faiss", "--to-lucene", "--shard-size", "4")
    assert encode(corpus_file, *options, output=whole).status == 0
    again = command(corpus_file, killed, tiny_model_dir, *options)
    running = subprocess.Popen(again, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not (killed / "store" / "shard-000002.safetensors").exists():
        assert running.poll() is None
        time.sleep(0.001)
    running.send_signal(signal.SIGKILL)
    running.wait()
    assert not (killed / "store" / "store.json").exists()
    resumed = run_command("encode", *again[3:])
    assert resumed.returncode == 0, resumed.stderr
    assert "going on with the encoding" in resumed.stderr
    assert "100 documents, " in resumed.stdout
    assert "100 documents, 100 of them encoded" not in resumed.stdout
    for part in ("store", "faiss"):
        assert contents_of(killed / part) == contents_of(whole / part)
    assert read_postings(killed / "lucene") == read_postings(whole / "lucene")


def test_shards_one_after_another_hold_what_one_run_holds(encode, corpus_file, tmp_path):
    assert encode(corpus_file, *SMALL_SHARDS).status == 0
    for number in range(3):
        shard = ("--shard-id", str(number), "--shard-num", "3")
        assert encode(corpus_file, "--store-only", output=tmp_path / str(number), input=shard).status == 0
    one, merged = ForwardStore(tmp_path / "out/store"), ForwardStore(*(tmp_path / f"{i}/store" for i in range(3)))
    assert list(merged.docids) == list(one.docids)
    rows = np.arange(len(one))
    assert np.allclose(one.gather(rows)[0], merged.gather(rows)[0], atol=1e-4)
    assert np.allclose(bags(one), bags(merged), atol=1e-4)


def bags(store: ForwardStore) -> np.ndarray:
    """Every bag of words, with the weight of each token in its own column: (n, |V|)."""
    _, token_ids, weights = store.gather(np.arange(len(store)))
    dense = np.zeros((len(store), store.model.vocab_size), np.float32)
    np.add.at(dense, (np.arange(len(store))[:, None], token_ids), weights)
    return dense


def test_a_finished_encoding_is_refused_resumed_and_replaced(encode, jsonl, tmp_path):
    corpus = jsonl([{"id": "a", "contents": "a file"}])
    assert encode(corpus, "--store-only").status == 0
    before = contents_of(tmp_path)
    refused = encode(corpus, "--store-only")
    assert refused.status == 2
    assert "holds a finished encoding; replace it with --overwrite" in refused.stderr
    resumed = encode(corpus, "--store-only", "--resume")
    assert resumed.status == 0
    assert "0 of them encoded" in resumed.stdout
    assert contents_of(tmp_path) == before
    assert encode(corpus, "--store-only", "--overwrite", encoder=("--top-k", "3")).status == 0
    assert StoreInfo.read(tmp_path / "out" / "store").top_k == 3


def test_a_finished_shard_that_changes_is_not_made_right_by_resuming(encode, jsonl, tmp_path):
    corpus = jsonl([{"id": "a", "contents": "a file"}])
    assert encode(corpus, "--store-only").status == 0
    (shard,) = (tmp_path / "out/store").glob("*.safetensors")
    data = bytearray(shard.read_bytes())
    position = Shard(shard)._start + Shard(shard)._tensors["cls"]["data_offsets"][0]
    data[position] ^= 1
    shard.write_bytes(data)
    refused = encode(corpus, "--store-only", "--resume")
    assert (refused.status, "has changed since it was encoded" in refused.stderr) == (2, True)


def test_missing_indexes_are_built_from_a_finished_store(encode, jsonl, tmp_path):
    corpus = jsonl([{"id": "a", "contents": "a file"}, {"id": "b", "contents": "a path"}])
    assert encode(corpus, "--store-only").status == 0
    before = contents_of(tmp_path / "out/store")
    finished = encode(corpus, "--to-faiss", "--to-jsonl")
    assert finished.status == 0, finished.stderr
    assert "0 of them encoded" in finished.stdout
    assert contents_of(tmp_path / "out/store") == before
    assert (tmp_path / "out/faiss/docid").read_text() == "a\nb\n"
    assert (tmp_path / "out/jsonl/dupmae.json").exists()
    assert not (tmp_path / "out/lucene").exists()


@pytest.fixture
def unfinished(encode, jsonl, tmp_path):
    """A corpus and, in ``out``, its encoding that was interrupted after two of three shards."""
    words = ("file", "path", "line", "day", "turtle")
    records = [{"id": str(i), "contents": f"the {word}"} for i, word in enumerate(words)]
    corpus = jsonl(records)
    assert encode(corpus, "--store-only", "--shard-size", "2").status == 0
    (tmp_path / "out/store/store.json").unlink()
    (tmp_path / "out/store/shard-000002.safetensors").unlink()
    return corpus, records


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"encoder": ("--top-k", "5")}, "--top-k 24, not 5"),
        ({"encoder": ("--dtype", "bfloat16")}, "--dtype 'float32', not 'bfloat16'"),
        ({"input": ("--fields", "contents")}, "--fields None, not ['contents']"),
        ({"input": ("--shard-num", "2")}, "--shard-num 1, not 2"),
    ],
)
def test_an_unfinished_encoding_goes_on_only_with_its_settings(encode, unfinished, tmp_path, options, message):
    before = contents_of(tmp_path / "out")
    refused = encode(unfinished[0], "--store-only", "--shard-size", "2", **options)
    assert refused.status == 2
    assert message in refused.stderr
    assert contents_of(tmp_path / "out") == before


def test_an_unfinished_encoding_goes_on_only_with_its_model(encode, unfinished, linear_model_dir):
    refused = encode(unfinished[0], "--store-only", "--shard-size", "2", model=linear_model_dir)
    assert refused.status == 2
    assert "built with another model: its ot_head is" in refused.stderr


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda records: records[:1] + records[2:], r"corpus\.jsonl:2 is the document '2', not '1'"),
        (lambda records: [{**records[0], "contents": "other"}, *records[1:]], r"the text of '0' \(.*corpus\.jsonl:1\)"),
        (lambda records: records[:3], "1 documents are in the place of 2"),
        (lambda records: records[:2], "fewer documents"),
    ],
)
def test_an_unfinished_encoding_goes_on_only_with_its_corpus(encode, unfinished, jsonl, change, message):
    jsonl(change(unfinished[1]))
    refused = encode(unfinished[0], "--store-only", "--shard-size", "2")
    assert refused.status == 2
    assert re.search(message, refused.stderr)


def test_killed_before_the_first_shard(encode, jsonl, tmp_path):
    (tmp_path / "out/store").mkdir(parents=True)
    (tmp_path / "out/store/encoding.json.tmp").write_text("{")
    assert encode(jsonl([{"id": "a", "contents": "x"}]), "--store-only").status == 0


def test_overwrite_begins_again(encode, unfinished, tmp_path):
    assert encode(unfinished[0], "--store-only", "--shard-size", "1", "--overwrite").status == 0
    assert len(StoreInfo.read(tmp_path / "out/store").shards) == 5


def test_what_is_not_ours_is_never_deleted(encode, jsonl, tmp_path):
    precious = tmp_path / "out" / "store" / "thesis.txt"
    precious.parent.mkdir(parents=True)
    precious.write_text("years of work")
    refused = encode(jsonl([{"id": "a", "contents": "x"}]), "--store-only", "--overwrite")
    assert refused.status == 2
    assert "was not made by this command" in refused.stderr
    assert precious.exists()


def test_skipped_documents_are_reported(encode, jsonl, tmp_path):
    corpus = jsonl([{"id": "a", "contents": "x"}, b"{broken", {"id": "b", "contents": "y"}, {"contents": "z"}])
    assert encode(corpus, "--store-only").status == 2
    finished = encode(corpus, "--store-only", input=("--on-error", "skip"))
    assert finished.status == 0
    assert f"skipped {corpus}:2: not JSON" in finished.stderr
    assert "2 document(s) skipped" in finished.stderr
    assert list(ForwardStore(tmp_path / "out/store").docids) == ["a", "b"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": Path("/nowhere/model")}, "no model '/nowhere/model'"),
        ({"encoder": ("--max-length", "1000")}, "--max-length is 1000, but the encoder takes 2 to 160 tokens"),
        ({"encoder": ("--device", "cuda:77")}, "cannot use the device 'cuda:77'"),
        ({"input": ("--shard-id", "1")}, "--shard-id is 1"),
        ({"encoder": ("--batch-size", "0")}, "at least 1, got '0'"),
        ({"encoder": ("--dtype", "int8")}, "invalid choice: 'int8'"),
    ],
)
def test_a_wrong_option_is_one_clear_error_and_nothing_is_written(encode, jsonl, tmp_path, options, message):
    refused = encode(jsonl([{"id": "a", "contents": "x"}]), "--store-only", **options)
    assert refused.status == 2
    assert message in refused.stderr
    assert "Traceback" not in refused.stderr
    assert not (tmp_path / "out").exists()


def test_index_options_are_checked_before_encoding(encode, jsonl, tmp_path):
    corpus = jsonl([{"id": "a", "contents": "x"}])
    refused = encode(corpus, encoder=("--quantization-bits", "99"))
    assert (refused.status, "99 bits" in refused.stderr) == (2, True)
    refused = encode(corpus, "--store-only", "--to-faiss")
    assert (refused.status, "exclude each other" in refused.stderr) == (2, True)
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_full_disk_leaves_nothing_half_written_and_the_same_command_goes_on(
    encode, corpus_file, tiny_model_dir, warm_python, tmp_path
):
    """A limit on the size of files stands for the disk: the first of two shards is larger."""
    arguments = command(corpus_file, tmp_path / "out", tiny_model_dir, "--store-only")[1:]
    limited = f"import resource, runpy, sys; sys.argv = {['', *arguments[2:]]!r}\n"
    limited += "resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, resource.RLIM_INFINITY))\n"
    limited += "runpy.run_module('pyserini_dupmae.encode', run_name='__main__')"
    full = subprocess.run([warm_python, "-c", limited], capture_output=True, text=True, check=False)
    assert full.returncode == 2
    assert full.stderr.splitlines()[-1].startswith("error: no space left on the disk")
    assert [path.name for path in (tmp_path / "out/store").glob("*shard*")] == []
    assert encode(corpus_file, "--store-only").status == 0
