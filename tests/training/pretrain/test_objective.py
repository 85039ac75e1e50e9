"""The three losses against Eq. 1-9 written out position by position, values and gradients, in float64."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor
from transformers import AutoModelForMaskedLM, BertConfig, BertForMaskedLM, DistilBertConfig, RobertaConfig

from pyserini_dupmae.training.pretrain.collator import PretrainCollator, Specials, Text
from pyserini_dupmae.training.pretrain.objective import PretrainModel
from pyserini_dupmae.training.pretrain.settings import METHODS, PRESETS, PretrainSettings

VOCABULARY = 60
LENGTHS = (9, 4, 1)
SPECIALS = Specials(cls=2, sep=3, pad=0, mask=4)


def _batch(settings: PretrainSettings) -> dict[str, Tensor]:
    generator = np.random.default_rng(0)
    tokens = [generator.integers(5, VOCABULARY, n) for n in LENGTHS]
    tokens[0][3] = tokens[0][0]  # a token that repeats
    texts = [Text(i, 0, ids, np.ones(len(ids), bool)) for i, ids in enumerate(tokens)]
    return PretrainCollator(settings, SPECIALS, VOCABULARY, seed=3)(texts)


def _model(settings: PretrainSettings) -> PretrainModel:
    torch.manual_seed(1)
    config = BertConfig(
        vocab_size=VOCABULARY,
        hidden_size=12,
        num_hidden_layers=1,
        num_attention_heads=3,
        intermediate_size=20,
        max_position_embeddings=16,
        initializer_range=0.3,
    )
    return PretrainModel(BertForMaskedLM(config), settings).double().eval()


def _logits(model: PretrainModel, states: Tensor) -> Tensor:
    return model.lm.cls(states)


def _decoded(model: PretrainModel, cls: Tensor, tokens: Tensor, visible: Tensor, i: int) -> Tensor:
    """Eq. 2-5 for one text and position i: the decoder's output (d,)."""
    embeddings, decoder = model.lm.bert.embeddings, model.decoder
    words, positions = embeddings.word_embeddings.weight, embeddings.position_embeddings.weight
    kind = embeddings.token_type_embeddings.weight[0]
    query = embeddings.LayerNorm(cls + positions[i] + kind)
    context = [j for j in range(len(tokens)) if visible[i, j]]
    streams = [cls if j == 0 else embeddings.LayerNorm(words[tokens[j]] + positions[j] + kind) for j in context]
    size = len(cls) // decoder.heads
    attended = []
    for head in range(decoder.heads):
        part = slice(head * size, (head + 1) * size)
        q = decoder.query(query)[part]
        scores = torch.stack([q @ decoder.key(stream)[part] / math.sqrt(size) for stream in streams])
        values = torch.stack([decoder.value(stream)[part] for stream in streams])
        attended.append((scores.softmax(0)[:, None] * values).sum(0))
    middle = decoder.attention_norm(query + decoder.attention_output(torch.cat(attended)))
    inner = torch.nn.functional.gelu(decoder.intermediate(middle))
    return decoder.output_norm(middle + decoder.output(inner))


def _naive(model: PretrainModel, batch: dict[str, Tensor]) -> Tensor:
    """L_mlm, L_dec and L_BoW of a batch, divided as the settings say: (3,)."""
    settings = model.settings
    mlm, decoder, bow = [], [], []
    for row, length in enumerate(LENGTHS):
        real = length + 2
        tokens, labels = batch["input_ids"][row, :real], batch["labels"][row, :real]
        hidden = model.lm.bert(batch["masked_ids"][row : row + 1, :real]).last_hidden_state[0]
        mlm += [-_logits(model, hidden[i]).log_softmax(0)[labels[i]] for i in range(real) if labels[i] != -100]
        for i in range(1, length + 1):
            output = _decoded(model, hidden[0], tokens, batch["visible"][row], i)
            decoder.append(-_logits(model, output).log_softmax(0)[tokens[i]])
        if settings.bow_tokens == "visible":
            pooled = [i for i in range(1, length + 1) if labels[i] == -100]
        else:
            pooled = list(range(1, real))
        if not pooled:
            continue
        vectors = [
            _logits(model, hidden[i]) if settings.ot_head == "mlm" else model.projection @ hidden[i] for i in pooled
        ]
        mu = torch.stack([max(vector[v] for vector in vectors) for v in range(VOCABULARY)])
        weight = 1 / length if settings.bow_target == "mean" else 1.0
        bow += [-weight * mu.log_softmax(0)[x] for x in set(tokens[1 : length + 1].tolist())]
    texts = len(LENGTHS)
    counts = (len(mlm), len(decoder)) if settings.token_loss == "mean" else (texts, texts)
    return torch.stack([sum(mlm) / counts[0], sum(decoder) / counts[1], sum(bow) / texts])


@pytest.mark.parametrize("preset", PRESETS)
def test_equals_the_equations(preset: str) -> None:
    model = _model(PRESETS[preset])
    batch = _batch(model.settings)
    actual = model(**batch) / model.counts(batch)
    expected = _naive(model, batch)
    torch.testing.assert_close(actual, expected)
    named = dict(model.named_parameters())
    for part in range(3):
        mine = torch.autograd.grad(actual[part], named.values(), retain_graph=True, allow_unused=True)
        plain = torch.autograd.grad(expected[part], named.values(), retain_graph=True, allow_unused=True)
        for name, one, other in zip(named, mine, plain, strict=True):
            zero = torch.zeros_like(named[name])
            torch.testing.assert_close(zero if one is None else one, zero if other is None else other, msg=name)


def test_the_presets_weigh_eq_9_differently() -> None:
    assert _model(PRESETS["paper"]).weights.tolist() == [1, 1, 1]
    assert _model(PRESETS["released"]).weights.tolist() == pytest.approx([1, 1, 0.1])


@pytest.mark.parametrize("method", METHODS)
def test_a_method_has_its_parts_and_its_weights(method: str) -> None:
    settings = replace(PRESETS["paper"], method=method)
    model = _model(settings)
    batch = _batch(settings)
    losses = model(**batch)
    decodes_cls, decodes_ot = method != "ot-only", method in ("dupmae", "ot-only")
    assert (model.decoder is not None, "visible" in batch) == (decodes_cls, decodes_cls)
    assert (model.projection is not None) == decodes_ot
    assert [loss > 0 for loss in losses.tolist()] == [True, decodes_cls, decodes_ot]
    assert model.weights.tolist() == [1, decodes_cls, decodes_ot]
    (losses * model.weights).sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())  # else DDP would wait for some


def test_a_changed_token_never_changes_its_own_prediction_nor_a_hidden_one_any() -> None:
    model = _model(PRESETS["paper"])
    batch = _batch(model.settings)
    cls = model.encode(batch).cls.detach()
    visible = batch["visible"]
    before = model.decode(cls, batch["input_ids"], visible)
    changed_somewhere = False
    for row, length in enumerate(LENGTHS):
        for j in range(1, length + 1):
            changed = batch["input_ids"].clone()
            changed[row, j] = 5 + (changed[row, j] - 4) % (VOCABULARY - 5)
            after = model.decode(cls, changed, visible)
            same = (after == before).all(dim=-1)
            assert same[row, j]
            assert same[row, ~visible[row, :, j]].all()
            assert not same[row, visible[row, :, j]].any()
            assert same[[other for other in range(len(LENGTHS)) if other != row]].all()
            changed_somewhere |= bool(visible[row, :, j].any())
    assert changed_somewhere


def test_every_position_sees_cls() -> None:
    visible = _batch(PRESETS["released"])["visible"]
    assert all(visible[row, 1 : length + 2, 0].all() for row, length in enumerate(LENGTHS))


@pytest.mark.parametrize(
    "config",
    [
        RobertaConfig(hidden_size=12, intermediate_size=20, num_attention_heads=3, num_hidden_layers=1, vocab_size=60),
        DistilBertConfig(dim=12, hidden_dim=20, n_heads=3, n_layers=1, vocab_size=60),
    ],
    ids=lambda config: config.model_type,
)
def test_other_architectures_give_their_own_masked_lm_loss(config: object) -> None:
    model = PretrainModel(AutoModelForMaskedLM.from_config(config), PRESETS["released"]).eval()
    batch = _batch(model.settings)
    losses = model(**batch) / model.counts(batch)
    plain = model.lm(batch["masked_ids"], attention_mask=batch["attention_mask"], labels=batch["labels"]).loss
    torch.testing.assert_close(losses[0], plain)
    assert torch.isfinite(losses).all()
