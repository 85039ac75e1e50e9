"""Masked language models of the BERT family: where each architecture keeps what the package needs of it."""

from __future__ import annotations

from typing import Any, NamedTuple

from torch import Tensor
from transformers import PretrainedConfig, PreTrainedModel
from transformers.activations import ACT2FN

PRETRAINING_WEIGHTS = "pretrain.safetensors"
"""What pre-training saves beside the masked LM: its decoder, and W^O where that is a matrix of its own."""


class HeadNames(NamedTuple):
    """Where a type of masked LM keeps the two layers before its decoder, and what it applies between them.

    ``activation`` None: what the configuration names.
    """

    dense: str
    layer_norm: str
    activation: str | None = None


_ROBERTA = HeadNames("lm_head.dense", "lm_head.layer_norm", "gelu")
MASKED_LM_HEADS = {
    "bert": HeadNames("cls.predictions.transform.dense", "cls.predictions.transform.LayerNorm"),
    "distilbert": HeadNames("vocab_transform", "vocab_layer_norm"),
    "mpnet": _ROBERTA,
    "roberta": _ROBERTA,
    "xlm-roberta": _ROBERTA,
}
"""Every type of which a DupMAE model can be made."""

_POSITIONS_BEHIND_PADDING = ("mpnet", "roberta", "xlm-roberta")


def position_limit(config: PretrainedConfig) -> int:
    """How many tokens an encoder takes, special tokens included."""
    # Positions of these start behind the padding id, so fewer tokens fit than the table has rows.
    offset = (config.pad_token_id or 0) + 1 if config.model_type in _POSITIONS_BEHIND_PADDING else 0
    return config.max_position_embeddings - offset


def head_activation(config: PretrainedConfig) -> str:
    """The name of the activation in the masked-LM head of an encoder with this configuration."""
    names = MASKED_LM_HEADS.get(config.model_type)
    return (names and names.activation) or getattr(config, "hidden_act", None) or config.activation


def transform(lm: PreTrainedModel, hidden: Tensor) -> Tensor:
    """What the output layer of a masked LM's head sees of hidden states: (..., d) -> (..., d)."""
    names = MASKED_LM_HEADS[lm.config.model_type]
    dense, layer_norm = lm.get_submodule(names.dense), lm.get_submodule(names.layer_norm)
    return layer_norm(ACT2FN[head_activation(lm.config)](dense(hidden)))


def embed(lm: PreTrainedModel, input_ids: Tensor | None = None, inputs_embeds: Tensor | None = None) -> Tensor:
    """The embedding layer (word or given vectors, position, type, LayerNorm): (B, L) or (B, L, d) -> (B, L, d)."""
    base: Any = lm.base_model
    return base.embeddings(input_ids=input_ids, inputs_embeds=inputs_embeds)
