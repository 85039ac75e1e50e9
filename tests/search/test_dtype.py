"""Queries are encoded in the dtype that their documents were."""

from __future__ import annotations

import json

import pytest
import torch

import pyserini_dupmae.api as dupmae
from pyserini_dupmae.modeling import loading
from pyserini_dupmae.modeling.loading import resolve_dtype
from pyserini_dupmae.search import searcher
from pyserini_dupmae.store import ForwardStore

TEXTS = ("a file", "the path", "a line of text", "one day")


@pytest.fixture
def encoded_in(jsonl, tiny_model_dir, tmp_path):
    """``encoded_in("bfloat16")`` gives a folder with a store."""

    def encode(dtype):
        corpus = jsonl([{"id": f"{dtype}{i}", "contents": text} for i, text in enumerate(TEXTS)], f"{dtype}.jsonl")
        dupmae.encode(corpus, output=tmp_path / dtype, encoder=tiny_model_dir, to=[], dtype=dtype)
        return tmp_path / dtype

    return encode


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_a_search_follows_the_store(encoded_in, tiny_model_dir, dtype):
    with dupmae.DupMAESearcher(encoded_in(dtype), tiny_model_dir, engine="scan") as opened:
        assert opened.engines.exact.store.dtype == dtype
        assert opened.encoder.dtype == dtype
        (query,) = opened.encode(["a line"])
        assert (query.cls == torch.from_numpy(query.cls).to(getattr(torch, dtype)).float().numpy()).all()


def test_one_that_is_told_otherwise_says_so(encoded_in, tiny_model_dir, tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr(searcher.logger, "warning", lambda message, *values: said.append(message % values))
    folder = encoded_in("bfloat16")
    arguments = {"topics": {"1": "a line"}, "encoder": tiny_model_dir, "hits": 2}
    dupmae.search(folder, output=tmp_path / "a.txt", **arguments)
    assert said == []
    dupmae.search(folder, output=tmp_path / "b.txt", dtype="float32", **arguments)
    assert said == ["queries are encoded in float32, but documents were in bfloat16"]


def test_what_is_usual_is_not_written_down(encoded_in):
    """The bytes of a store in float32 are what they were before there was a record of it."""
    for dtype, written in (("float32", None), ("bfloat16", "bfloat16")):
        assert json.loads((encoded_in(dtype) / "store" / "store.json").read_text()).get("dtype") == written


def test_parts_of_two_dtypes_are_no_collection(encoded_in):
    folders = [encoded_in(dtype) / "store" for dtype in ("float32", "bfloat16")]
    with pytest.raises(dupmae.UserError, match=r"was encoded in bfloat16 and .* in float32"):
        ForwardStore(*folders)


def test_auto_goes_on_as_it_was_begun(encoded_in, jsonl, tiny_model_dir, tmp_path):
    folder = encoded_in("bfloat16")
    (folder / "store" / "store.json").unlink()
    (folder / "store" / "shard-000000.safetensors").unlink()
    done = dupmae.encode(tmp_path / "bfloat16.jsonl", output=folder, encoder=tiny_model_dir, to=[])
    assert done.encoded == len(TEXTS)
    assert ForwardStore(folder / "store").dtype == "bfloat16"


@pytest.mark.parametrize(
    ("dtype", "device", "native", "expected"),
    [
        ("auto", "cpu", True, "float32"),
        ("auto", "cuda:1", True, "bfloat16"),
        ("auto", "cuda", False, "float32"),
        ("float16", "cuda", True, "float16"),
    ],
)
def test_auto_is_what_suits_the_device(monkeypatch, dtype, device, native, expected):
    monkeypatch.setattr(loading.torch.cuda, "is_bf16_supported", lambda including_emulation: native)
    assert resolve_dtype(dtype, device) == expected
