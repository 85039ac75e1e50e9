"""The DupMAE model: one encoder, a reduced [CLS] (Eq. 10) and a bag of words in vocabulary space (Eq. 6-7)."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, AutoTokenizer, PreTrainedModel, initialization
from transformers.utils.generic import ModelOutput

from pyserini_dupmae.modeling.configuration import DupMAEConfig
from pyserini_dupmae.modeling.equations import (
    activate,
    by_sum,
    max_pool,
    pool_tokens,
    reduce_cls,
    scaled_unit,
    sparsify,
)
from pyserini_dupmae.modeling.heads import Tokens, make_head, token_counts
from pyserini_dupmae.modeling.linear import FastLinear
from pyserini_dupmae.modeling.own_words import OwnWords
from pyserini_dupmae.modeling.vocabulary import ordinary_tokens, pooled_logits
from pyserini_dupmae.util.files import share_weights

MaxPool = Callable[[Tensor, Tensor, Tensor, Tensor | None], Tensor]
"""`pooled_logits`, or another with the same arguments and result."""

# Measured with all-MiniLM-L6-v2: between 15 and 30 its cosine and a bag of words add up to more than either part.
NEW_DENSE_SCALE = 20.0

# Power and scale, measured with models that were trained without: with "sum" the bag of words alone ranks best, and the
# scale leaves the product of a typical query's and a typical document's weights what it was; with "query-sum" and the
# own words of ``lexical: bm25`` Eq. 12 ranks best.
NEW_OT_NORMS = {"sum": (0.25, 2.5), "query-sum": (0.45, 0.85)}


@dataclass
class DupMAEOutput(ModelOutput):
    """``cls`` (B, d'): Eq. 10. ``mu`` (B, |V|): Eq. 7 after the activation."""

    cls: Tensor | None = None
    mu: Tensor | None = None


@dataclass
class TextRepresentation:
    """Texts as they are stored and searched, on the CPU in float32.

    ``cls`` (B, d'); ``token_ids`` (B, k) int64 and ``weights`` (B, k), the largest first (an entry of weight 0 is
    padding: the text has fewer than k positive weights); ``bow`` (B, |V|) when it was asked for, else None.
    """

    cls: Tensor
    token_ids: Tensor
    weights: Tensor
    bow: Tensor | None = None


class DupMAEModel(PreTrainedModel):
    """A BERT-family encoder with DupMAE's two representations.

    `forward` is the plain, differentiable definition; `encode_texts` and `represent` give the same numbers without
    holding the logits of a batch.
    """

    config_class = DupMAEConfig
    base_model_prefix = "dupmae"
    supports_gradient_checkpointing = True
    _supports_sdpa = True
    _supports_flash_attn = True
    encoder: Any  # the modules of another library, or one of several: a type would say nothing
    ot_head: Any
    log_dense_scale: Any
    log_ot_scale: Any
    ot_power: Any
    own_words: OwnWords | None

    def __init__(self, config: DupMAEConfig):
        super().__init__(config)
        if config.tie_word_embeddings:
            self._tied_weights_keys = {"ot_head.output.weight": "encoder.embeddings.word_embeddings.weight"}
        self.encoder = AutoModel.from_config(config.encoder, **_without_pooler(config.encoder))
        self.cls_projection = nn.Linear(config.hidden_size, config.cls_dim, bias=False)
        self.ot_head = make_head(config)
        self.register_parameter("log_dense_scale", None)
        if config.dense_norm == "l2":
            self.set_dense_scale(NEW_DENSE_SCALE)
        self.set_ot_norm()
        self.set_own_words()
        self.post_init()

    def get_input_embeddings(self) -> nn.Embedding:
        return self.encoder.get_input_embeddings()

    def get_output_embeddings(self) -> nn.Module:
        return self.ot_head.output

    @property
    def dense_scale(self) -> Tensor:
        """What cos is multiplied by with ``dense_norm: l2``, a scalar. Its logarithm is the parameter: a step of
        training changes it by a factor, and it stays positive."""
        return self.log_dense_scale.exp()

    def set_dense_scale(self, scale: float) -> None:
        """Make ``scale`` what `dense_scale` begins with; the configuration says ``dense_norm: l2``."""
        self.log_dense_scale = nn.Parameter(torch.tensor(math.log(scale), dtype=torch.get_default_dtype()))

    def set_ot_norm(self) -> None:
        """Make the parameters that the configuration's ``ot_norm`` asks for, or none."""
        power, scale = NEW_OT_NORMS.get(self.config.ot_norm, (0.0, 1.0))
        for name, value in {"log_ot_scale": math.log(scale), "ot_power": power}.items():
            start = torch.tensor(value, dtype=torch.get_default_dtype())
            self.register_parameter(name, None if self.config.ot_norm == "none" else nn.Parameter(start))

    def set_own_words(self) -> None:
        """Make the part that the configuration's ``lexical`` asks for, or none; what is there stays."""
        if self.config.lexical == "none":
            self.own_words = None
        elif getattr(self, "own_words", None) is None:
            self.own_words = OwnWords(self.config.vocab_size, self.config.word_entries)

    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if module is self and self.log_dense_scale is not None:  # a checkpoint without one
            initialization.constant_(self.log_dense_scale, math.log(NEW_DENSE_SCALE))
        if module is self and self.log_ot_scale is not None:
            power, scale = NEW_OT_NORMS[self.config.ot_norm]
            initialization.constant_(self.log_ot_scale, math.log(scale))
            initialization.constant_(self.ot_power, power)

    def hidden_states(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """The encoder's last hidden states (B, L, d) for ``input_ids`` and ``attention_mask`` (B, L)."""
        return self.encoder(input_ids=input_ids, attention_mask=attention_mask)[0]

    def ordinary_tokens(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Which positions count in Eq. 7: (B, L) bool, false at [CLS], padding and, by default, [SEP]."""
        config = self.config
        special = (config.cls_token_id,) if config.sep_is_ordinary else (config.cls_token_id, config.sep_token_id)
        return ordinary_tokens(input_ids, attention_mask, special)

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor | None = None, query: bool = False, **_: Any
    ) -> DupMAEOutput:
        """Both representations of a batch, by the equations, differentiable; ``input_ids`` (B, L).

        ``query`` says whether they are queries, which differ in what they weigh with ``lexical: bm25`` and
        ``ot_norm: query-sum`` alone.
        """
        if attention_mask is None:
            attention_mask = torch.ones_like(input_ids)
        hidden = self.hidden_states(input_ids, attention_mask)
        logits = self.ot_head(hidden, self.tokens(input_ids, attention_mask))  # (B, L, |V|)
        mu = self.known(max_pool(logits, self.ordinary_tokens(input_ids, attention_mask)))
        return DupMAEOutput(
            cls=self.reduce(hidden, attention_mask), mu=self.weigh(mu, input_ids, attention_mask, query)
        )

    @torch.inference_mode()
    def represent(self, input_ids: Tensor, attention_mask: Tensor, query: bool = False) -> tuple[Tensor, Tensor]:
        """What `forward` gives, (B, d') and (B, |V|), without the logits of the batch and without gradients."""
        dense, mu = self.pooled(input_ids, attention_mask, pooled_logits)
        return dense, self.weigh(mu, input_ids, attention_mask, query)

    def pooled(self, input_ids: Tensor, attention_mask: Tensor, pool: MaxPool) -> tuple[Tensor, Tensor]:
        """The dense part (B, d'), and mu (B, |V|) before its activation, by a ``pool`` that needs no logits."""
        with FastLinear():
            hidden = self.hidden_states(input_ids, attention_mask)
            transformed = self.ot_head.transform(hidden, self.tokens(input_ids, attention_mask))
        output = self.ot_head.output
        mu = pool(transformed, self.ordinary_tokens(input_ids, attention_mask), output.weight, output.bias)
        return self.reduce(hidden, attention_mask), self.known(mu)

    def weigh(self, mu: Tensor, input_ids: Tensor, attention_mask: Tensor, query: bool = False) -> Tensor:
        """The bag of words (B, |V|) of pooled logits ``mu`` of texts (B, L), which are queries or documents.

        The configuration's ``activation``, then its ``lexical`` and its ``ot_norm``.
        """
        weights = activate(mu, self.config.activation)
        if self.own_words is not None:
            weights = self.own_words(weights, input_ids, self.ordinary_tokens(input_ids, attention_mask), query)
        return self.normed(weights, query)

    def normed(self, weights: Tensor, query: bool) -> Tensor:
        """``weights`` (B, |V|) of queries or documents with the configuration's ``ot_norm``."""
        if self.config.ot_norm == "sum" or (self.config.ot_norm == "query-sum" and query):
            weights = by_sum(weights, self.log_ot_scale.exp(), self.ot_power)
        return weights

    def tokens(self, input_ids: Tensor, attention_mask: Tensor) -> Tokens | None:
        """What the head reads of texts (B, L) beside their hidden states; None where it reads nothing else."""
        if self.config.ot_input == "hidden":
            return None
        return Tokens(self.get_input_embeddings()(input_ids), token_counts(input_ids, attention_mask))

    def reduce(self, hidden: Tensor, attention_mask: Tensor) -> Tensor:
        """Eq. 10, with the configuration's ``pooling`` and ``dense_norm``.

        ``hidden`` (B, L, d) and ``attention_mask`` (B, L); returns (B, d'), whose inner product is the dense part of
        Eq. 12 in any case: with ``dense_norm: l2`` each text's vector has half of the scale, see `scaled_unit`.
        """
        dense = reduce_cls(pool_tokens(hidden, attention_mask, self.config.pooling), self.cls_projection.weight)
        return dense if self.log_dense_scale is None else scaled_unit(dense, self.dense_scale)

    def encode_texts(
        self,
        texts: list[str],
        max_length: int | None = None,
        full_bow: bool = False,
        top_k: int | None = None,
        query: bool = False,
    ) -> TextRepresentation:
        """Represent ``texts``, cut to ``max_length`` tokens (default: the configuration's ``doc_max_length``).

        ``full_bow`` adds the whole of mu; ``top_k`` overrides the configuration's k.
        """
        self.eval()
        if not texts:
            width = min(top_k or self.config.top_k, self.config.mu_size)
            empty = TextRepresentation(
                torch.empty(0, self.config.cls_dim), torch.empty(0, width, dtype=torch.long), torch.empty(0, width)
            )
            empty.bow = torch.empty(0, self.config.mu_size) if full_bow else None
            return empty
        batch = self.tokenizer(
            list(texts),
            max_length=max_length or self.config.doc_max_length,
            truncation=True,
            padding=True,
            return_tensors="pt",
        ).to(self.device)
        cls, mu = self.represent(batch["input_ids"], batch["attention_mask"], query)
        token_ids, weights = sparsify(mu.float(), top_k or self.config.top_k)
        return TextRepresentation(
            cls.float().cpu(), token_ids.cpu(), weights.cpu(), mu.float().cpu() if full_bow else None
        )

    @cached_property
    def tokenizer(self) -> Any:
        """The tokenizer that was saved with the model."""
        return AutoTokenizer.from_pretrained(self.config.name_or_path)

    @property
    def terms(self) -> list[str]:
        """The index term of each entry of mu: the token itself, ``[idN]`` where a padded vocabulary has none, and
        ``[wordN]`` for the whole words that the hash N stands for."""
        tokens = self.tokenizer.convert_ids_to_tokens(range(min(self.config.vocab_size, len(self.tokenizer))))
        padding = [f"[id{i}]" for i in range(len(tokens), self.config.vocab_size)]
        return [*tokens, *padding, *(f"[word{i}]" for i in range(self.config.mu_size - self.config.vocab_size))]

    def save_pretrained(self, save_directory: Any, *args: Any, **kwargs: Any) -> None:
        """Save configuration, weights (safetensors) and tokenizer to a folder that `from_pretrained` takes."""
        super().save_pretrained(save_directory, *args, **kwargs)
        if "tokenizer" in self.__dict__ or self.config.name_or_path:
            self.tokenizer.save_pretrained(save_directory)
        share_weights(Path(save_directory))

    @property
    def fingerprint(self) -> str:
        """A hash of the weights and of the settings that shape a representation: equal means interchangeable.

        It does not depend on where the model was loaded from. Compute it before changing the model's dtype.
        """
        config = self.config
        shape: tuple[Any, ...] = (config.cls_dim, config.top_k, config.ot_head, config.activation)
        shape += (config.sep_is_ordinary,)
        # Settings that came later count only where they differ from what was before: models keep their fingerprint.
        later = {"pooling": "cls", "dense_norm": "none", "ot_input": "hidden", "ot_norm": "none", "lexical": "none"}
        shape += tuple((name, getattr(config, name)) for name in later if getattr(config, name) != later[name])
        digest = hashlib.sha256(repr(shape).encode())
        for name, parameter in sorted(self.named_parameters()):
            digest.update(name.encode())
            digest.update(parameter.detach().float().cpu().contiguous().numpy().tobytes())
        if self.own_words is not None:
            for _, buffer in sorted(self.own_words.named_buffers()):
                digest.update(buffer.cpu().numpy().tobytes())
        return digest.hexdigest()

    def known(self, mu: Tensor) -> Tensor:
        """``mu`` with the entries that no token has at minus infinity."""
        if self.config.vocab_limit >= self.config.vocab_size:
            return mu
        return torch.cat(
            [mu[:, : self.config.vocab_limit], torch.full_like(mu[:, self.config.vocab_limit :], float("-inf"))], 1
        )


def _without_pooler(encoder_config: Any) -> dict[str, Any]:
    return {} if encoder_config.model_type == "distilbert" else {"add_pooling_layer": False}


AutoConfig.register(DupMAEConfig.model_type, DupMAEConfig, exist_ok=True)
AutoModel.register(DupMAEConfig, DupMAEModel, exist_ok=True)
