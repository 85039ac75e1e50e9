"""W^O of Eq. 6, in its two forms. Both are a `transform` of the hidden states followed by one `output` layer."""

from __future__ import annotations

from torch import Tensor, nn
from transformers.activations import ACT2FN

from pyserini_dupmae.modeling.configuration import DupMAEConfig


class LinearHead(nn.Module):
    """The paper's W^O: one d x |V| matrix."""

    def __init__(self, config: DupMAEConfig):
        super().__init__()
        self.output = nn.Linear(config.hidden_size, config.vocab_size, bias=False)

    def transform(self, hidden: Tensor) -> Tensor:
        """(..., d) -> (..., d): nothing to do."""
        return hidden

    def forward(self, hidden: Tensor) -> Tensor:
        """(..., d) -> logits (..., |V|)."""
        return self.output(self.transform(hidden))


class MaskedLMHead(LinearHead):
    """The authors' W^O: dense, activation, LayerNorm, then the decoder, tied to the input embeddings, with a bias."""

    def __init__(self, config: DupMAEConfig):
        super().__init__(config)
        encoder = config.encoder
        self.dense = nn.Linear(config.hidden_size, config.hidden_size)
        self.activation = ACT2FN[getattr(encoder, "hidden_act", None) or encoder.activation]
        self.layer_norm = nn.LayerNorm(config.hidden_size, eps=getattr(encoder, "layer_norm_eps", 1e-12))
        self.output = nn.Linear(config.hidden_size, config.vocab_size)

    def transform(self, hidden: Tensor) -> Tensor:
        """(..., d) -> (..., d): the hidden states that the decoder sees."""
        return self.layer_norm(self.activation(self.dense(hidden)))


HEADS: dict[str, type[LinearHead]] = {"mlm": MaskedLMHead, "linear": LinearHead}
