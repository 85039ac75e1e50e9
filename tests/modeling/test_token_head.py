"""A head that reads the token's embedding too, written out in plain Python, and how it begins."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.nn.functional import gelu

from pyserini_dupmae.modeling import DupMAEConfig, DupMAEModel
from pyserini_dupmae.modeling.heads import Tokens
from pyserini_dupmae.modeling.initialise import initialise
from pyserini_dupmae.modeling.lexical import (
    DISTANCE,
    IDF_SHARE,
    NEIGHBOURS,
    SEEN,
    set_lexical_head,
    token_frequencies,
)
from pyserini_dupmae.training.finetune.model import FinetuneModel
from pyserini_dupmae.util.errors import UserError

TEXTS = ["Return the greatest common divisor of two integers.", "copy", "", "a file " * 20]


@pytest.fixture(scope="module")
def model(tiny_model_dir) -> DupMAEModel:
    """The tiny model with a token head of random weights."""
    old = DupMAEModel.from_pretrained(tiny_model_dir)
    torch.manual_seed(0)
    model = DupMAEModel(DupMAEConfig(**{**old.config.to_dict(), "ot_input": "hidden+token"})).eval()
    for parameter in model.ot_head.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    model.tokenizer = old.tokenizer
    return model


def by_hand(model: DupMAEModel, text: str) -> torch.Tensor:
    """mu (|V|,) of one text."""
    head, embeddings = model.ot_head, model.get_input_embeddings().weight
    ids = model.tokenizer(text)["input_ids"]
    hidden = model.encoder(input_ids=torch.tensor([ids])).last_hidden_state[0]
    best = [0.0] * model.config.vocab_size
    length = math.log(len(ids) / 100)
    for token_id, state in zip(ids[1:-1], hidden[1:-1], strict=True):
        seen = gelu(head.dense.weight @ state + head.dense.bias)
        seen = (seen - seen.mean()) / (seen.var(unbiased=False) + 1e-12).sqrt()
        seen = seen * head.layer_norm.weight + head.layer_norm.bias
        token = head.token.weight @ embeddings[token_id] + head.token.bias
        gate = head.gate.weight @ state + head.gate.bias
        count = head.count.weight @ torch.tensor([math.log(ids.count(token_id)), length])
        seen = seen + torch.stack([(1 + g + c) * t for g, c, t in zip(gate, count, token, strict=True)])
        best = [max(a, b) for a, b in zip(best, (embeddings @ seen + head.output.bias).tolist(), strict=True)]
    return torch.tensor(best)


@torch.no_grad()
def test_every_way_gives_the_same_bag(model):
    expected = torch.stack([by_hand(model, text) for text in TEXTS])
    batch = model.tokenizer(TEXTS, padding=True, return_tensors="pt")
    texts = {name: batch[name] for name in ("input_ids", "attention_mask")}
    found = {
        "forward": model(**texts).mu,
        "represent": model.represent(**texts)[1],
        "encode_texts": model.encode_texts(TEXTS, full_bow=True).bow,
        "fine-tuning": FinetuneModel(model).represent(texts)[1],
    }
    assert (expected > 0).any(dim=1).tolist() == [True, True, False, True]
    for way, bag in found.items():
        torch.testing.assert_close(bag, expected, rtol=1e-4, atol=1e-4, msg=lambda text, way=way: f"{way}: {text}")


def test_gradients_are_those_of_the_plain_definition(model):
    batch = model.tokenizer(TEXTS[:2], padding=True, return_tensors="pt")
    texts = {name: batch[name] for name in ("input_ids", "attention_mask")}
    gradients = []
    for bag in (model(**texts).mu, FinetuneModel(model).represent(texts)[1]):
        model.zero_grad()
        bag.square().sum().backward()
        gradients.append({name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None})
    assert {"ot_head.token.weight", "ot_head.gate.weight", "ot_head.count.weight"} <= gradients[0].keys()
    torch.testing.assert_close(gradients[1], gradients[0], rtol=1e-3, atol=1e-3)


def test_a_saved_model_is_read_back_and_has_another_fingerprint(model, tiny_model_dir, tmp_path):
    model.save_pretrained(tmp_path)
    again = DupMAEModel.from_pretrained(tmp_path)
    assert again.config.ot_input == "hidden+token"
    assert again.fingerprint == model.fingerprint
    assert again.ot_head.output.weight is again.get_input_embeddings().weight
    assert DupMAEModel.from_pretrained(tiny_model_dir).fingerprint != model.fingerprint


def test_token_frequencies():
    texts = [np.array(ids, np.int64) for ids in ([1, 2, 1], [2], [], [3, 2])]
    assert token_frequencies(texts, 5).tolist() == [0, 1, 3, 1, 0]


@torch.no_grad()
def test_the_head_begins_as_word_matching(model, tiny_model_dir):
    size = model.config.vocab_size
    generator = torch.Generator().manual_seed(1)
    embeddings = torch.randn(size, model.config.hidden_size, generator=generator)
    frequencies = torch.randint(0, 40, (size,), generator=generator).float()
    head = type(model.ot_head)(model.config)
    set_lexical_head(head, embeddings, frequencies, 100)
    mean = embeddings.mean(dim=0)
    head.layer_norm.weight.zero_()  # what the hidden states add is small at first; without it
    once = Tokens(embeddings, torch.zeros(size, 2))
    logits = head(torch.zeros(size, model.config.hidden_size), once)  # (token in the text, term)
    seen = [v for v in range(size) if frequencies[v] >= SEEN]
    for term in range(0, size, 37):
        pulls = sorted((DISTANCE * float(embeddings[term] @ (embeddings[v] - mean)) for v in seen), reverse=True)
        own = DISTANCE * float(embeddings[term] @ (embeddings[term] - mean))
        n = float(frequencies[term])
        bias = min(math.sqrt(IDF_SHARE * math.log(1 + (100 - n + 0.5) / (n + 0.5))) - own, -pulls[NEIGHBOURS])
        bias -= SEEN if n == 0 else 0
        assert logits[term, term].item() == pytest.approx(own + bias, abs=1e-3)
        assert (logits[seen, term] > 1e-4).sum() <= NEIGHBOURS


def test_initialise(model, tmp_path):
    folder = tmp_path / "encoder"
    model.encoder.save_pretrained(folder)
    model.tokenizer.save_pretrained(folder)
    with pytest.raises(UserError, match="--ot-texts"):
        initialise(str(folder), cls_dim=16, ot_input="hidden+token")
    made = initialise(str(folder), cls_dim=16, ot_input="hidden+token", texts=["copy a file", "a file"])
    assert made.ot_head.token.weight[0, 0] == DISTANCE
    made.save_pretrained(tmp_path / "made")
    with pytest.raises(UserError, match="needs other parameters"):
        initialise(str(tmp_path / "made"), ot_input="hidden")


def test_the_linear_head_reads_hidden_states_alone():
    with pytest.raises(ValueError, match="needs a masked-LM head"):
        DupMAEConfig(ot_head="linear", ot_input="hidden+token")
