"""Tokens and batches against the tokenizer's own padding; representations against the equations in plain torch."""

import numpy as np
import pytest
import torch

from pyserini_dupmae.data.corpus import Document
from pyserini_dupmae.encode.windows import encode_window, tokenise, windows
from pyserini_dupmae.modeling import DupMAEModel
from pyserini_dupmae.util.errors import UserError


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


def window_of(model, texts, max_length=144):
    documents = [Document(f"d{i}", text, "file", i) for i, text in enumerate(texts)]
    return tokenise(documents, model.tokenizer, max_length)


@torch.inference_mode()
def brute_force(model, text, max_length):
    """cls (d',) by Eq. 10 and mu (|V|,) by Eq. 6-7 with negative entries at 0."""
    tokens = model.tokenizer(text, truncation=True, max_length=max_length, return_tensors="pt")["input_ids"]
    hidden = model.encoder(tokens).last_hidden_state[0]
    head = model.ot_head
    transformed = head.layer_norm(head.activation(head.dense(hidden))) if model.config.ot_head == "mlm" else hidden
    logits = transformed @ head.output.weight.T + (0 if head.output.bias is None else head.output.bias)
    ordinary = logits[1:-1]
    if model.config.activation == "log1p_relu":
        ordinary = ordinary.relu().log1p()
    mu = ordinary.amax(dim=0).clamp_min(0) if len(ordinary) else torch.zeros(model.config.vocab_size)
    return model.cls_projection.weight @ hidden[0], mu


@pytest.mark.parametrize("head", ["tiny_model_dir", "linear_model_dir"])
@pytest.mark.parametrize("activation", ["relu", "log1p_relu", "none"])
@pytest.mark.parametrize(("top_k", "max_length", "batch_size"), [(24, 144, 32), (5, 20, 7), (900, 144, 1000)])
def test_representations(request, corpus, head, activation, top_k, max_length, batch_size):
    model = DupMAEModel.from_pretrained(request.getfixturevalue(head)).eval()
    model.config.activation = activation
    texts = [text for _, text in corpus[::6]] + [""]
    advanced = []
    window = window_of(model, texts, max_length)
    found = encode_window(model, window, top_k, batch_size, advanced.append)
    lengths = sorted((len(ids) for ids in window.tokens), reverse=True)
    tokens = [len(part) * max(part) for i in range(0, len(texts), batch_size) if (part := lengths[i : i + batch_size])]
    assert advanced == pytest.approx([len(texts) * share / sum(tokens) for share in tokens])
    assert found.weights.shape == found.token_ids.shape == (len(texts), top_k)
    for row, text in enumerate(texts):
        cls, mu = brute_force(model, text, max_length)
        weights, token_ids = torch.from_numpy(found.weights[row]), torch.from_numpy(found.token_ids[row]).long()
        torch.testing.assert_close(torch.from_numpy(found.cls[row]), cls, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(weights, mu.topk(top_k).values, rtol=1e-4, atol=1e-4)
        kept = weights > 0
        assert not token_ids[~kept].any()
        assert len(set(token_ids[kept].tolist())) == kept.sum()
        torch.testing.assert_close(weights[kept], mu[token_ids[kept]], rtol=1e-4, atol=1e-4)
    assert not found.weights[-1].any(), "an empty document has an empty bag of words"
    assert found.cls[-1].any()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_near(corpus, tiny_model_dir, dtype):
    model = DupMAEModel.from_pretrained(tiny_model_dir).eval()
    window = window_of(model, [text for _, text in corpus[::10]])
    exact = encode_window(model, window, 24, 8, lambda _: None)
    half = encode_window(model.to(dtype), window, 24, 8, lambda _: None)
    for expected, got in ((exact.cls, half.cls), (exact.weights, half.weights)):
        torch.testing.assert_close(torch.from_numpy(got), torch.from_numpy(expected), rtol=0.1, atol=0.3)


def test_nan_names_the_document(linear_model_dir):
    model = DupMAEModel.from_pretrained(linear_model_dir).eval()
    word = model.tokenizer.convert_tokens_to_ids("turtle")
    texts = ["a file", "the turtle turns", "a path"]
    for value in (float("nan"), float("inf")):
        with torch.no_grad():
            model.encoder.embeddings.word_embeddings.weight[word] = value
        with pytest.raises(UserError, match="NaN or infinity for the document 'd1' \\(file:1\\)"):
            encode_window(model, window_of(model, texts), 24, 2, lambda _: None)
