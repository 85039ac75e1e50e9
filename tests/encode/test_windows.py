"""Tokens and batches against the tokenizer's own padding."""

import numpy as np
import pytest
import torch

from pyserini_dupmae.data.corpus import Document
from pyserini_dupmae.encode.windows import tokenise, windows
from pyserini_dupmae.modeling import DupMAEModel


@pytest.fixture
def documents(corpus):
    return [Document(docid, text, "file", 1) for docid, text in corpus]


@pytest.mark.parametrize("size", [1, 7, 301, 1000])
def test_windows_keep_order_and_lose_nothing(documents, size):
    parts = list(windows(documents, size))
    assert [document for part in parts for document in part] == documents
    assert all(len(part) == size for part in parts[:-1])


@pytest.mark.parametrize("max_length", [8, 144])
def test_batches_hold_every_document_once_padded_as_the_tokenizer_pads(documents, tiny_model_dir, max_length):
    tokenizer = DupMAEModel.from_pretrained(tiny_model_dir).tokenizer
    window = tokenise(documents, tokenizer, max_length)
    seen, longest = [], max_length
    for rows in window.batches(16):
        texts = [documents[row].text for row in rows]
        expected = tokenizer(texts, padding=True, truncation=True, max_length=max_length, return_tensors="pt")
        input_ids, attention_mask = window.padded(rows, tokenizer.pad_token_id)
        assert torch.equal(torch.from_numpy(input_ids), expected["input_ids"])
        assert torch.equal(torch.from_numpy(attention_mask), expected["attention_mask"])
        assert input_ids.shape[1] <= longest
        longest = attention_mask.sum(axis=1).min()
        seen.extend(rows)
    assert np.array_equal(np.sort(seen), np.arange(len(documents)))
