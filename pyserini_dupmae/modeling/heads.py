"""W^O of Eq. 6, in its forms. Each is a `transform` of what it reads followed by one `output` layer."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from transformers.activations import ACT2FN

from pyserini_dupmae.modeling.configuration import DupMAEConfig
from pyserini_dupmae.modeling.masked_lm import head_activation

TYPICAL_LENGTH = 100.0


class Tokens(NamedTuple):
    """What a `TokenHead` reads of a text beside its hidden states.

    ``embeddings`` (..., d) are the input embeddings of the positions' tokens, ``counts`` (..., 2) the logarithms of how
    often the token occurs in its text, and of the text's length in tokens over `TYPICAL_LENGTH`.
    """

    embeddings: Tensor
    counts: Tensor


def token_counts(input_ids: Tensor, attention_mask: Tensor) -> Tensor:
    """The ``counts`` (B, L, 2) of `Tokens` for texts (B, L); what stands at padding means nothing."""
    mask = attention_mask.bool()
    same = (input_ids[:, :, None] == input_ids[:, None, :]) & mask[:, None, :]  # (B, L, L)
    occurrences = same.sum(dim=2).clamp_min(1).float().log()  # (B, L)
    length = (mask.sum(dim=1, keepdim=True).float() / TYPICAL_LENGTH).log()  # (B, 1)
    return torch.stack([occurrences, length.expand_as(occurrences)], dim=2)


class LinearHead(nn.Module):
    """The paper's W^O: one d x |V| matrix."""

    def __init__(self, config: DupMAEConfig):
        super().__init__()
        self.output = nn.Linear(config.hidden_size, config.vocab_size, bias=False)

    def transform(self, hidden: Tensor, tokens: Tokens | None = None) -> Tensor:
        """(..., d) -> (..., d): nothing to do. Only a `TokenHead` reads ``tokens``."""
        return hidden

    def forward(self, hidden: Tensor, tokens: Tokens | None = None) -> Tensor:
        """(..., d) -> logits (..., |V|)."""
        return self.output(self.transform(hidden, tokens))


class MaskedLMHead(LinearHead):
    """The authors' W^O: dense, activation, LayerNorm, then the decoder, tied to the input embeddings, with a bias."""

    def __init__(self, config: DupMAEConfig):
        super().__init__(config)
        encoder = config.encoder
        self.dense = nn.Linear(config.hidden_size, config.hidden_size)
        self.activation = ACT2FN[head_activation(encoder)]
        self.layer_norm = nn.LayerNorm(config.hidden_size, eps=getattr(encoder, "layer_norm_eps", 1e-12))
        self.output = nn.Linear(config.hidden_size, config.vocab_size)

    def transform(self, hidden: Tensor, tokens: Tokens | None = None) -> Tensor:
        """(..., d) -> (..., d): the hidden states that the decoder sees."""
        return self.layer_norm(self.activation(self.dense(hidden)))


class TokenHead(MaskedLMHead):
    """The masked-LM head with the token itself beside it, as much of it as its context and its count say.

    To what the decoder sees at a position, (1 + gate(hidden state) + count(counts)) * token(input embedding) is added:
    a token points at itself and at its neighbours in the embedding space, and weighs more or less by what stands around
    it and by how often it occurs.
    """

    def __init__(self, config: DupMAEConfig):
        super().__init__(config)
        self.token = nn.Linear(config.hidden_size, config.hidden_size)
        self.gate = nn.Linear(config.hidden_size, config.hidden_size)
        self.count = nn.Linear(2, config.hidden_size, bias=False)

    def transform(self, hidden: Tensor, tokens: Tokens | None = None) -> Tensor:
        """Hidden states (..., d) and ``tokens`` of the same positions -> (..., d)."""
        if tokens is None:
            raise TypeError("this head reads the tokens too")
        weight = 1 + self.gate(hidden) + self.count(tokens.counts.to(hidden.dtype))
        return super().transform(hidden) + weight * self.token(tokens.embeddings)


def make_head(config: DupMAEConfig) -> LinearHead:
    """The head that the configuration's ``ot_head`` and ``ot_input`` ask for."""
    if config.ot_head == "linear":
        return LinearHead(config)
    return TokenHead(config) if config.ot_input == "hidden+token" else MaskedLMHead(config)
