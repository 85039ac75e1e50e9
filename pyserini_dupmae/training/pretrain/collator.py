"""From tokenised texts to what the objective takes; one collator for every method."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from pyserini_dupmae.training.pretrain.masking import Units
from pyserini_dupmae.training.pretrain.settings import PretrainSettings
from pyserini_dupmae.util.errors import UserError

NOT_PREDICTED = -100


class Text(NamedTuple):
    """One text to train on: ``tokens`` (n,) ids without special tokens, ``starts`` (n,) bool, where words begin.

    ``number`` and ``epoch`` decide its masks, together with the collator's seed and nothing else: neither the batch it
    is in, nor the worker, nor a resumed run changes them.
    """

    number: int
    epoch: int
    tokens: np.ndarray
    starts: np.ndarray


@dataclass(frozen=True)
class Specials:
    """Ids of the tokenizer's special tokens."""

    cls: int
    sep: int
    pad: int
    mask: int

    @classmethod
    def of(cls, tokenizer: Any) -> Specials:
        """Those of ``tokenizer``; raises `UserError` when it lacks one."""
        ids = {name: getattr(tokenizer, f"{name}_token_id") for name in ("cls", "sep", "pad", "mask")}
        missing = [name for name, number in ids.items() if number is None]
        if missing:
            raise UserError(f"the tokenizer has no {missing[0]} token; pre-training needs a BERT-family tokenizer")
        return cls(**ids)


class PretrainCollator:
    """Masks a batch for the encoder and draws what each position of the decoder sees (Eq. 5).

    A call gives a dict of tensors: ``input_ids`` (B, L) the texts in special tokens and padding, ``attention_mask``
    (B, L), ``masked_ids`` (B, L) the encoder's input, ``labels`` (B, L) what the encoder predicts (-100: nothing), and,
    when [CLS] is decoded, ``visible`` (B, L, L) bool: whether position i of the decoder sees position j.
    """

    def __init__(self, settings: PretrainSettings, specials: Specials, vocab_size: int, seed: int):
        self.settings = settings
        self.specials = specials
        self.vocab_size = vocab_size
        self.seed = seed

    def __call__(self, texts: Sequence[Text]) -> dict[str, Tensor]:
        generators = [self._generator(text) for text in texts]
        lengths = np.array([len(text.tokens) for text in texts])
        input_ids, starts = self._pad(texts, lengths)
        units = Units.of(starts | (self.settings.mask_unit == "token"), lengths)
        masked_ids, labels = self._mask(input_ids, units, generators)
        batch = {
            "input_ids": input_ids,
            "attention_mask": (np.arange(input_ids.shape[1]) < lengths[:, None] + 2).astype(np.int64),
            "masked_ids": masked_ids,
            "labels": labels,
        }
        if self.settings.decodes_cls:
            batch["visible"] = self._visible(units, generators)
        return {name: torch.from_numpy(array) for name, array in batch.items()}

    def _generator(self, text: Text) -> np.random.Generator:
        return np.random.Generator(np.random.Philox(key=(self.seed << 32 | text.epoch, text.number)))

    def _pad(self, texts: Sequence[Text], lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """``input_ids`` (B, N + 2) and ``starts`` (B, N)."""
        real = np.arange(lengths.max()) < lengths[:, None]  # (B, N)
        input_ids = np.full((len(texts), real.shape[1] + 2), self.specials.pad, np.int64)
        input_ids[:, 0] = self.specials.cls
        input_ids[np.arange(len(texts)), lengths + 1] = self.specials.sep
        input_ids[:, 1:-1][real] = np.concatenate([text.tokens for text in texts])
        starts = np.zeros(real.shape, bool)
        starts[real] = np.concatenate([text.starts for text in texts])
        return input_ids, starts

    def _mask(
        self, input_ids: np.ndarray, units: Units, generators: list[np.random.Generator]
    ) -> tuple[np.ndarray, np.ndarray]:
        hidden = units.draw(self.settings.encoder_mask, np.ones(len(input_ids), np.int64), generators)
        predicted = np.zeros(input_ids.shape, bool)
        predicted[:, 1:-1] = units.to_tokens(hidden, np.zeros((len(input_ids), 1), np.int64))[:, 0]
        masked_ids = np.where(predicted, self.specials.mask, input_ids)
        if self.settings.mask_replacement == "bert":
            lengths = units.tokens + 2
            dice = _each(generators, lengths, lambda generator, n: generator.random(n))
            others = _each(generators, lengths, lambda generator, n: generator.integers(0, self.vocab_size, n))
            masked_ids = np.where(predicted & (dice >= 0.8), np.where(dice < 0.9, others, input_ids), masked_ids)
        return masked_ids, np.where(predicted, input_ids, NOT_PREDICTED)

    def _visible(self, units: Units, generators: list[np.random.Generator]) -> np.ndarray:
        """Eq. 5: (B, L, L) bool. Every real position draws its own context; [CLS] and [SEP] are in all of them."""
        lengths = units.tokens + 2  # (B,)
        limit = self.settings.decoder_patterns or lengths.max()
        hidden = units.draw(self.settings.decoder_mask, np.minimum(lengths, limit), generators)
        if self.settings.decoder_patterns:
            chosen = _each(generators, lengths, lambda generator, n: generator.integers(0, min(n, limit), n))
        else:
            chosen = np.broadcast_to(np.arange(lengths.max()), (len(lengths), lengths.max()))
        hidden = units.to_tokens(hidden, chosen)  # (B, L, N)
        real = np.arange(hidden.shape[1]) < lengths[:, None]  # (B, L)
        visible = real[:, :, None] & real[:, None, :]
        visible[:, :, 1:-1] &= ~hidden
        diagonal = np.arange(visible.shape[1])
        visible[:, diagonal, diagonal] = False
        return visible


def _each(
    generators: list[np.random.Generator], lengths: np.ndarray, draw: Callable[[np.random.Generator, int], np.ndarray]
) -> np.ndarray:
    """``draw(generator, length)`` of each text as a row: (B, L), 0 at padding."""
    rows = [draw(generator, int(length)) for generator, length in zip(generators, lengths, strict=True)]
    drawn = np.zeros((len(rows), lengths.max()), rows[0].dtype)
    drawn[np.arange(drawn.shape[1]) < lengths[:, None]] = np.concatenate(rows)
    return drawn
