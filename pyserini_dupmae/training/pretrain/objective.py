"""The model that is pre-trained, and the three parts of its loss (Eq. 1-9)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from pyserini_dupmae.modeling.linear import FastLinear, recomputed_alike
from pyserini_dupmae.modeling.masked_lm import embed, transform
from pyserini_dupmae.modeling.vocabulary import ordinary_positions
from pyserini_dupmae.training.kernels import linear_cross_entropy, vocabulary_max_pool
from pyserini_dupmae.training.pretrain.collator import NOT_PREDICTED
from pyserini_dupmae.training.pretrain.decoder import EnhancedDecoder
from pyserini_dupmae.training.pretrain.settings import PretrainSettings

PARTS = ("mlm", "decoder", "bow")
Batch = dict[str, Tensor]


@dataclass
class Encoded:
    """A masked text's last hidden states ``hidden`` (B, L, d), and ``states``, these after the head's transform."""

    hidden: Tensor
    states: Tensor

    @property
    def cls(self) -> Tensor:
        """h of Eq. 1: (B, d), the bottleneck that [CLS] decoding reads from."""
        return self.hidden[:, 0]


class PretrainModel(nn.Module):
    """A masked LM, the decoder of its [CLS], and W^O when that is a matrix of its own.

    `forward` gives the three losses of a batch as sums; what they are divided by (`counts`) may cover more than this
    batch: gradient accumulation and other processes.
    """

    def __init__(self, lm: PreTrainedModel, settings: PretrainSettings):
        super().__init__()
        self.lm = lm
        self.settings = settings
        self.config = lm.config
        self.decoder = EnhancedDecoder(lm.config) if settings.decodes_cls else None
        self.projection = None
        if settings.own_projection:
            # Starts as the input embeddings: a token that keeps its identity is then in its own bag of words.
            self.projection = nn.Parameter(lm.get_input_embeddings().get_parameter("weight").detach().clone())

    @property
    def weights(self) -> Tensor:
        """What each of `PARTS` counts in Eq. 9: (3,)."""
        settings = self.settings
        return torch.tensor([1.0, float(settings.decodes_cls), settings.bow_weight if settings.decodes_ot else 0.0])

    def forward(self, **batch: Tensor) -> Tensor:
        """The sums of L_mlm, L_dec and L_BoW over a `PretrainCollator`'s batch: (3,) float32, 0 for a part not used."""
        with FastLinear():
            encoded = self.encode(batch)
            zero = encoded.hidden.new_zeros((), dtype=torch.float32)
            return torch.stack(
                [
                    self.mlm_loss(encoded, batch),
                    self.decoder_loss(encoded, batch) if self.settings.decodes_cls else zero,
                    self.bow_loss(encoded, batch) if self.settings.decodes_ot else zero,
                ]
            )

    def counts(self, batch: Batch) -> Tensor:
        """What the sums of a batch are divided by: (3,) float32, predictions or texts, and texts for L_BoW."""
        texts = len(batch["input_ids"])
        mlm, decoder = texts, texts
        if self.settings.token_loss == "mean":
            mlm = int((batch["labels"] != NOT_PREDICTED).sum())
            decoder = int(ordinary_positions(batch["attention_mask"]).sum())
        return torch.tensor([mlm, decoder, texts], dtype=torch.float32, device=batch["input_ids"].device)

    def encode(self, batch: Batch) -> Encoded:
        """Eq. 1 on the masked text."""
        hidden = self.lm.base_model(input_ids=batch["masked_ids"], attention_mask=batch["attention_mask"])[0]
        return Encoded(hidden, transform(self.lm, hidden))

    def mlm_loss(self, encoded: Encoded, batch: Batch) -> Tensor:
        """The sum of the masked LM's cross-entropy over predicted tokens."""
        predicted = batch["labels"] != NOT_PREDICTED
        return self._cross_entropy(encoded.states[predicted], batch["labels"][predicted])

    def decoder_loss(self, encoded: Encoded, batch: Batch) -> Tensor:
        """Eq. 4: the sum over ordinary tokens of the cross-entropy of reconstructing them from h and their context."""
        predicted = ordinary_positions(batch["attention_mask"])
        decoded = self.decode(encoded.cls, batch["input_ids"], batch["visible"])
        return self._cross_entropy(transform(self.lm, decoded[predicted]), batch["input_ids"][predicted])

    def decode(self, cls: Tensor, input_ids: Tensor, visible: Tensor) -> Tensor:
        """Eq. 2-3: the decoder's output (B, L, d) for h (B, d), the unmasked text (B, L) and M as (B, L, L) bool."""
        assert self.decoder is not None, "decode needs a method that has L_dec"
        length = input_ids.shape[1]
        queries = embed(self.lm, inputs_embeds=cls.unsqueeze(1).expand(-1, length, -1))  # H1
        context = torch.cat([cls.unsqueeze(1), embed(self.lm, input_ids=input_ids)[:, 1:]], dim=1)  # H2
        return self.decoder(queries, context, visible)

    def bow_loss(self, encoded: Encoded, batch: Batch) -> Tensor:
        """Eq. 8: the sum over texts of the cross-entropy of their unique tokens under softmax(mu)."""
        mu = self.bag_of_words(encoded, batch)
        mu = mu.to(torch.promote_types(mu.dtype, torch.float32))
        empty = torch.isneginf(mu).all(dim=1, keepdim=True)  # every token was masked: nothing to learn from
        log_probabilities = mu.masked_fill(empty, 0.0).log_softmax(dim=-1)
        return -(self.bow_target(batch) * ~empty * log_probabilities).sum()

    def bag_of_words(self, encoded: Encoded, batch: Batch) -> Tensor:
        """Eq. 6-7: mu (B, |V|); minus infinity for a text without a token to pool."""
        pooled = batch["attention_mask"].bool()
        if self.settings.bow_tokens == "visible":
            pooled = ordinary_positions(pooled) & (batch["labels"] == NOT_PREDICTED)
        else:
            pooled = pooled & (torch.arange(pooled.shape[1], device=pooled.device) > 0)
        if self.projection is not None:
            return vocabulary_max_pool(encoded.hidden, pooled, self.projection, None)
        output = self.lm.get_output_embeddings()
        return vocabulary_max_pool(encoded.states, pooled, output.weight, output.bias)

    def bow_target(self, batch: Batch) -> Tensor:
        """The weight of each vocabulary entry in Eq. 8: (B, |V|), 1 or 1/length for the unique tokens of a text."""
        ordinary = ordinary_positions(batch["attention_mask"])  # (B, L)
        target = torch.zeros(len(ordinary), self.lm.config.vocab_size, device=ordinary.device)
        weight = ordinary.float()
        if self.settings.bow_target == "mean":
            weight = weight / ordinary.sum(dim=1, keepdim=True)
        # Positions that are not ordinary add 0 to some entry; a maximum keeps repeats from adding up.
        return target.scatter_reduce(1, batch["input_ids"], weight, reduce="amax")

    def _cross_entropy(self, states: Tensor, labels: Tensor) -> Tensor:
        output = self.lm.get_output_embeddings()
        return linear_cross_entropy(states, output.weight, output.bias, labels)

    def gradient_checkpointing_enable(self, **kwargs: Any) -> None:
        """Recompute the encoder's layers in the backward pass (the Trainer calls this for --gradient_checkpointing)."""
        self.lm.gradient_checkpointing_enable(**recomputed_alike(kwargs))
