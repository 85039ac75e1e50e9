"""RetroMAE's enhanced decoder: one transformer layer over two streams (Eq. 2-5)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn
from transformers import PretrainedConfig
from transformers.activations import ACT2FN


class EnhancedDecoder(nn.Module):
    """One post-norm transformer layer whose queries come from H1 and whose keys and values come from H2.

    It has the sizes of the encoder's layers. The residual connection is the query stream's.
    """

    def __init__(self, config: PretrainedConfig):
        super().__init__()
        width = config.hidden_size
        inner = getattr(config, "intermediate_size", None) or config.hidden_dim
        dropout = getattr(config, "hidden_dropout_prob", None)
        self.heads = config.num_attention_heads
        self.dropout = nn.Dropout(config.dropout if dropout is None else dropout)
        self.attention_dropout = getattr(config, "attention_probs_dropout_prob", None) or 0.0
        self.activation = ACT2FN[getattr(config, "hidden_act", None) or config.activation]
        epsilon = getattr(config, "layer_norm_eps", 1e-12)
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.attention_output = nn.Linear(width, width)
        self.attention_norm = nn.LayerNorm(width, eps=epsilon)
        self.intermediate = nn.Linear(width, inner)
        self.output = nn.Linear(inner, width)
        self.output_norm = nn.LayerNorm(width, eps=epsilon)
        for module in self.children():
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=config.initializer_range)
                nn.init.zeros_(module.bias)

    def forward(self, queries: Tensor, context: Tensor, visible: Tensor) -> Tensor:
        """Eq. 3 and the feed-forward network: ``queries`` H1 and ``context`` H2 (B, L, d) -> (B, L, d).

        ``visible`` (B, L, L) bool is M of Eq. 5 (true: 0, false: minus infinity). A row that sees nothing, as padding
        does, is given the first position, since a softmax over nothing has no value.
        """
        blind = ~visible.any(dim=-1, keepdim=True)
        visible = visible.clone()
        visible[..., :1] |= blind
        attended = F.scaled_dot_product_attention(
            self._split(self.query(queries)),
            self._split(self.key(context)),
            self._split(self.value(context)),
            attn_mask=visible.unsqueeze(1),
            dropout_p=self.attention_dropout if self.training else 0.0,
        )  # (B, heads, L, d / heads)
        attended = attended.transpose(1, 2).flatten(2)  # (B, L, d)
        middle = self.attention_norm(queries + self.dropout(self.attention_output(attended)))
        inner = self.activation(self.intermediate(middle))
        return self.output_norm(middle + self.dropout(self.output(inner)))

    def _split(self, states: Tensor) -> Tensor:
        """(B, L, d) -> (B, heads, L, d / heads)."""
        return states.unflatten(-1, (self.heads, -1)).transpose(1, 2)
