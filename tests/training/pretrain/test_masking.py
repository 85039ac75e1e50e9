"""Masks: how many, of what, and what they depend on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pyserini_dupmae.training.pretrain.collator import PretrainCollator, Specials, Text
from pyserini_dupmae.training.pretrain.masking import Units, _fill
from pyserini_dupmae.training.pretrain.settings import PRESETS

SPECIALS = Specials(cls=2, sep=3, pad=0, mask=4)
VOCABULARY = 1000


def _texts(lengths: list[int], words: float = 0.7) -> list[Text]:
    generator = np.random.default_rng(0)
    return [
        Text(number, 0, generator.integers(5, VOCABULARY, n), generator.random(n) < words)
        for number, n in enumerate(lengths)
    ]


def _collator(preset: str = "released", seed: int = 0, **changes: object) -> PretrainCollator:
    return PretrainCollator(replace(PRESETS[preset], **changes), SPECIALS, VOCABULARY, seed)


def test_filling_equals_taking_words_one_by_one() -> None:
    generator = np.random.default_rng(1)
    sizes = generator.integers(0, 6, (4, 50, 12)).astype(np.int32)
    budget = generator.integers(1, 25, (4, 1, 1)).astype(np.int32)
    taken = _fill(sizes, budget)
    for text, pattern in np.ndindex(4, 50):
        left, expected = int(budget[text, 0, 0]), []
        for size in sizes[text, pattern]:
            fits = 0 < size <= left
            left -= size if fits else 0
            expected.append(fits)
        assert taken[text, pattern].tolist() == expected


@pytest.mark.parametrize("ratio", [0.15, 0.3, 0.9])
def test_words_are_masked_whole_and_as_many_as_asked(ratio: float) -> None:
    texts = _texts([40, 7, 63])
    batch = _collator(encoder_mask=ratio)(texts)
    for row, text in enumerate(texts):
        n = len(text.tokens)
        predicted = (batch["labels"][row, 1 : n + 1] != -100).numpy()
        words = np.cumsum(text.starts | (np.arange(n) == 0))
        assert all(len(set(predicted[words == word])) == 1 for word in words)
        # Words of two tokens or more may leave the last few tokens of the budget unused.
        assert 0 <= round(ratio * n) - predicted.sum() < np.bincount(words).max()
        assert (batch["labels"][row, [0, *range(n + 1, 65)]] == -100).all()


def test_tokens_are_masked_exactly_and_evenly() -> None:
    collator = _collator("paper")
    counts = np.zeros(20)
    for epoch in range(400):
        texts = [text._replace(epoch=epoch) for text in _texts([20])]
        counts += (collator(texts)["labels"][0, 1:-1] != -100).numpy()
    assert counts.sum() == 400 * 6
    assert np.abs(counts / 400 - 0.3).max() < 5 * np.sqrt(0.3 * 0.7 / 400)


@pytest.mark.parametrize("preset", PRESETS)
def test_each_position_of_the_decoder_sees_half(preset: str) -> None:
    lengths = [60, 31]
    batch = _collator(preset)(_texts(lengths))
    for row, n in enumerate(lengths):
        visible = batch["visible"][row].numpy()
        real, inner = visible[: n + 2, : n + 2], visible[: n + 2, 1 : n + 1]
        assert not visible[n + 2 :].any()
        assert not visible[:, n + 2 :].any()
        assert not real.diagonal().any()
        assert real[1:, 0].all()
        hidden = (~inner).sum(axis=1)
        assert (np.abs(hidden - n / 2) <= 3).all()
        assert np.abs(inner.mean(axis=0) - 0.5).max() < 0.45  # no column is always or never seen
        assert len({row.tobytes() for row in inner}) > n / 2  # positions differ in their context


def test_positions_share_patterns_when_few_are_drawn() -> None:
    text = _texts([60], words=1.0)
    visible = _collator(decoder_patterns=3)(text)["visible"][0, 1:61, 1:61].numpy()
    diagonal = np.eye(60, dtype=bool)
    first = [
        next(r for r in range(60) if (visible[r] == visible[i])[~diagonal[r] & ~diagonal[i]].all()) for i in range(60)
    ]
    assert len(set(first)) == 3


def test_replacement_is_eighty_ten_ten() -> None:
    batch = _collator(encoder_mask=0.5)(_texts([200] * 50))
    predicted = batch["labels"] != -100
    masked, original = batch["masked_ids"][predicted], batch["input_ids"][predicted]
    assert (masked == SPECIALS.mask).float().mean().item() == pytest.approx(0.8, abs=0.02)
    assert (masked == original).float().mean().item() == pytest.approx(0.1, abs=0.02)
    assert (batch["masked_ids"] == batch["input_ids"])[~predicted].all()
    only = _collator(encoder_mask=0.5, mask_replacement="mask")(_texts([200] * 50))
    assert (only["masked_ids"] == SPECIALS.mask).equal(only["labels"] != -100)


@pytest.mark.parametrize("preset", PRESETS)
def test_masks_depend_on_the_text_the_epoch_and_the_seed_alone(preset: str) -> None:
    texts = _texts([12, 50, 33])
    together, alone = _collator(preset)(texts), _collator(preset)(texts[:1])
    for name in ("masked_ids", "labels"):
        assert together[name][0, :14].equal(alone[name][0])
    assert together["visible"][0, :14, :14].equal(alone["visible"][0])
    for other in (_collator(preset, seed=1)(texts), _collator(preset)([text._replace(epoch=1) for text in texts])):
        assert not other["labels"].equal(together["labels"])
        assert not other["visible"].equal(together["visible"])


def test_a_text_of_one_token_is_masked() -> None:
    batch = _collator()(_texts([1]))
    assert (batch["labels"] != -100).tolist() == [[False, True, False]]


def test_a_text_that_starts_inside_a_word_begins_a_unit() -> None:
    units = Units.of(np.array([[False, False, True, False]]), np.array([3]))
    assert units.of_token.tolist() == [[0, 0, 1, 2]]
    assert units.sizes.tolist() == [[2, 1, 0]]
