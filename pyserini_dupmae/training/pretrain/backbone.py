"""The parts of a masked LM that pre-training uses, for the BERT-family architectures."""

from __future__ import annotations

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor
from transformers import PreTrainedModel

from pyserini_dupmae.util.errors import UserError


def _bert(lm: PreTrainedModel, hidden: Tensor) -> Tensor:
    return lm.cls.predictions.transform(hidden)


def _roberta(lm: PreTrainedModel, hidden: Tensor) -> Tensor:
    return lm.lm_head.layer_norm(F.gelu(lm.lm_head.dense(hidden)))


def _distilbert(lm: PreTrainedModel, hidden: Tensor) -> Tensor:
    return lm.vocab_layer_norm(lm.activation(lm.vocab_transform(hidden)))


TRANSFORMS: dict[str, Callable[[PreTrainedModel, Tensor], Tensor]] = {
    "bert": _bert,
    "roberta": _roberta,
    "xlm-roberta": _roberta,
    "distilbert": _distilbert,
}


def require_supported(model_type: str, name: str) -> None:
    """Raise `UserError` unless the architecture of the model ``name`` is one that can be pre-trained."""
    if model_type not in TRANSFORMS:
        raise UserError(
            f"{name!r} is a model of type {model_type!r}; pre-training takes one of type {', '.join(TRANSFORMS)}"
        )


def transform(lm: PreTrainedModel, hidden: Tensor) -> Tensor:
    """What the masked-LM head's output layer sees: (..., d) -> (..., d)."""
    return TRANSFORMS[lm.config.model_type](lm, hidden)


def embed(lm: PreTrainedModel, input_ids: Tensor | None = None, inputs_embeds: Tensor | None = None) -> Tensor:
    """The embedding layer (word or given vectors, position, type, LayerNorm): (B, L) or (B, L, d) -> (B, L, d)."""
    return lm.base_model.embeddings(input_ids=input_ids, inputs_embeds=inputs_embeds)
