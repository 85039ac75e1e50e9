"""The configuration of a DupMAE model."""

from __future__ import annotations

from typing import Any, ClassVar

from transformers import AutoConfig, PretrainedConfig

from pyserini_dupmae.modeling.choices import (
    ACTIVATIONS,
    DENSE_NORMS,
    LEXICALS,
    OT_HEADS,
    OT_INPUTS,
    OT_NORMS,
    POOLINGS,
)
from pyserini_dupmae.modeling.masked_lm import position_limit


class DupMAEConfig(PretrainedConfig):
    """Everything that decides how a text becomes (reduced [CLS], mu).

    Args:
        encoder: configuration of the BERT-family encoder, or its ``to_dict()``.
        cls_dim: d' of Eq. 10.
        top_k: k of Eq. 11, the entries of mu kept for a document.
        ot_head: W^O of Eq. 6: ``"mlm"`` is the whole masked-LM head (dense, activation, LayerNorm, decoder tied to
            the input embeddings; the authors' code), ``"linear"`` one d x |V| matrix (the paper).
        ot_input: what that head reads at a position: ``"hidden"``, the last hidden state (the paper), or
            ``"hidden+token"``, the token's input embedding as well. The last layer of an encoder that was taught to
            embed whole texts has lost most of its tokens' identity; with the embedding the head has it back.
        activation: what is applied to the pooled logits: ``"relu"``, ``"log1p_relu"`` or ``"none"``. An impact
            index holds positive weights only, so that in training and in search what is not positive does not count.
        pooling: what Eq. 10 reduces: ``"cls"``, the hidden state of [CLS] (the paper), or ``"mean"``, the mean over the
            text's tokens, special tokens included.
        dense_norm: ``"none"`` (the paper), or ``"l2"``: the reduced vector is brought to the length sqrt(scale), with a
            scale that is learned, so that the inner product of query and document is scale * cos.
        ot_norm: ``"none"`` (the paper), or ``"sum"``: the weights of a text are multiplied by a scale and divided by a
            power of their sum, both learned, so that a long text's bag of words does not outweigh a short one's; with
            ``"query-sum"`` those of queries alone.
        lexical: ``"none"`` (the paper), or ``"bm25"``: words of one stem share an entry of mu, and a text's own words
            add to it by their count, its length and their rarity; see `pyserini_dupmae.modeling.own_words`.
        word_entries: with ``lexical="bm25"``, entries of mu beyond the vocabulary's, for whole words that the tokenizer
            splits; a hash decides which. 0: such words are matched by their pieces alone.
        sep_is_ordinary: count [SEP] as an ordinary token. [CLS] and [PAD] never are.
        query_top_k: the entries of mu kept for a query; None: all that are positive, as in the paper.
        query_max_length, doc_max_length: tokens kept of a query and of a document, special tokens included.
        cls_token_id, sep_token_id: the tokenizer's; padding is known from the attention mask.
        vocab_limit: ids from here on have no token (a padded embedding matrix) and never enter mu.

    Raises:
        ValueError: a value is out of range; the message names it.
    """

    model_type = "dupmae"
    sub_configs: ClassVar[dict[str, Any]] = {"encoder": AutoConfig}

    def __init__(
        self,
        encoder: PretrainedConfig | dict[str, Any] | None = None,
        cls_dim: int = 384,
        top_k: int = 384,
        ot_head: str = "mlm",
        ot_input: str = "hidden",
        activation: str = "relu",
        pooling: str = "cls",
        dense_norm: str = "none",
        ot_norm: str = "none",
        lexical: str = "none",
        word_entries: int = 32_768,
        sep_is_ordinary: bool = False,
        query_max_length: int = 32,
        doc_max_length: int = 144,
        query_top_k: int | None = None,
        cls_token_id: int = 101,
        sep_token_id: int = 102,
        vocab_limit: int | None = None,
        **kwargs: Any,
    ):
        if encoder is None:
            encoder = {"model_type": "bert"}
        if isinstance(encoder, dict):
            encoder = dict(encoder)
            encoder = AutoConfig.for_model(encoder.pop("model_type"), **encoder)
        encoder.name_or_path = ""  # a folder of whoever made the model, which the saved model would tell
        self.encoder = encoder
        self.cls_dim = _positive("cls_dim", cls_dim)
        self.top_k = _positive("top_k", top_k)
        self.ot_head = _one_of("ot_head", ot_head, OT_HEADS)
        self.ot_input = _one_of("ot_input", ot_input, OT_INPUTS)
        if ot_input != "hidden" and ot_head != "mlm":
            raise ValueError(f"ot_input {ot_input!r} needs a masked-LM head (ot_head 'mlm'), not {ot_head!r}")
        self.activation = _one_of("activation", activation, ACTIVATIONS)
        self.pooling = _one_of("pooling", pooling, POOLINGS)
        self.dense_norm = _one_of("dense_norm", dense_norm, DENSE_NORMS)
        self.ot_norm = _one_of("ot_norm", ot_norm, OT_NORMS)
        self.lexical = _one_of("lexical", lexical, LEXICALS)
        self.word_entries = _positive("word_entries", word_entries, least=0)
        for name, value in {"ot_norm": ot_norm, "lexical": lexical}.items():
            if value != "none" and activation == "none":
                raise ValueError(f"{name} {value!r} needs weights that are not negative, but activation is 'none'")
        self.sep_is_ordinary = sep_is_ordinary
        self.query_max_length = self.check_length("query_max_length", query_max_length)
        self.doc_max_length = self.check_length("doc_max_length", doc_max_length)
        self.query_top_k = None if query_top_k is None else _positive("query_top_k", query_top_k)
        self.cls_token_id = cls_token_id
        self.sep_token_id = sep_token_id
        self.vocab_limit = _positive("vocab_limit", encoder.vocab_size if vocab_limit is None else vocab_limit)
        kwargs["tie_word_embeddings"] = ot_head == "mlm" and getattr(encoder, "tie_word_embeddings", True)
        super().__init__(**kwargs)

    def check_length(self, name: str, value: int) -> int:
        """``value``, a number of tokens called ``name``, if the encoder takes as many; else ValueError."""
        _positive(name, value)
        limit = position_limit(self.encoder)
        if not 2 <= value <= limit:
            raise ValueError(f"{name} is {value}, but the encoder takes 2 to {limit} tokens")
        return value

    def _get_generation_parameters(self) -> dict[str, Any]:
        return {}  # ``top_k`` here is Eq. 11's, not a text generator's, which transformers refuses to save

    @property
    def hidden_size(self) -> int:
        return self.encoder.hidden_size

    @property
    def vocab_size(self) -> int:
        """The tokenizer's |V|."""
        return self.encoder.vocab_size

    @property
    def mu_size(self) -> int:
        """How many entries mu has: |V|, and those of whole words."""
        return self.vocab_size + (self.word_entries if self.lexical == "bm25" else 0)


def _positive(name: str, value: int, least: int = 1) -> int:
    if not isinstance(value, int) or value < least:
        raise ValueError(f"{name} must be a whole number of at least {least}, got {value!r}")
    return value


def _one_of(name: str, value: str, choices: tuple[str, ...]) -> str:
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}, got {value!r}")
    return value
