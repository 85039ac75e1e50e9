"""A DupMAE model from any masked-LM or headless checkpoint of a BERT-family encoder."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import AutoModelForMaskedLM, PreTrainedModel

from pyserini_dupmae.modeling.calibration import Calibration, calibrate, rescale
from pyserini_dupmae.modeling.configuration import DupMAEConfig
from pyserini_dupmae.modeling.heads import TokenHead
from pyserini_dupmae.modeling.loading import DTYPES, is_dupmae_folder, load_model
from pyserini_dupmae.modeling.masked_lm import MASKED_LM_HEADS, PRETRAINING_WEIGHTS
from pyserini_dupmae.modeling.model import NEW_DENSE_SCALE, DupMAEModel
from pyserini_dupmae.modeling.new_parts import (
    copy_head,
    set_cls_projection,
    set_linear_head,
    set_new_head,
    set_own_words,
    set_token_head,
)
from pyserini_dupmae.modeling.weights import load_config, load_pretrained, load_tokenizer, quiet_transformers
from pyserini_dupmae.modeling.whole_words import is_inner_piece
from pyserini_dupmae.util.errors import UserError, require_positive
from pyserini_dupmae.util.files import atomic_path, require_replaceable
from pyserini_dupmae.util.log import logger

DEFAULT_CLS_DIM = 384  # the paper's


@dataclass(frozen=True)
class InitResult:
    """The folder of a new model, how many ``parameters`` it has, and how its head was calibrated, if it was."""

    folder: Path
    parameters: int
    calibration: Calibration | None = None

    def __str__(self) -> str:
        return f"{self.folder}: {self.parameters:,} parameters"


def init(
    source: str | os.PathLike,
    *,
    output: str | os.PathLike,
    overwrite: bool = False,
    cls_dim: int | None = None,
    top_k: int | None = None,
    ot_head: str | None = None,
    ot_input: str | None = None,
    texts: Iterable[str] = (),
    activation: str | None = None,
    pooling: str | None = None,
    dense_norm: str | None = None,
    dense_scale: float | None = None,
    ot_norm: str | None = None,
    lexical: str | None = None,
    word_entries: int | None = None,
    sep_is_ordinary: bool | None = None,
    query_max_length: int | None = None,
    doc_max_length: int | None = None,
    ot_scale: float = 1.0,
    ot_threshold: float = 0.0,
    query_top_k: int | None = None,
    calibrate_on: Iterable[str] | None = None,
    query_terms: int | None = None,
    doc_terms: int | None = None,
    dtype: str = "float32",
    seed: int = 0,
) -> InitResult:
    """Write a DupMAE model made from a BERT-family checkpoint, or from another DupMAE model.

    For example::

        import pyserini_dupmae.api as dupmae

        dupmae.init("bert-base-uncased", output="MODEL", cls_dim=384, top_k=384)

    It is a starting point: the log says what the checkpoint lacks and what was made in its place, which wants training.
    A setting that is None has the default of `DupMAEConfig`, or what a DupMAE model has already.

    Args:
        source: a folder, or a name on the Hugging Face Hub.
        output: the folder to write to.
        overwrite: replace the folder if it exists.
        cls_dim: d' of Eq. 10 (default: 384, or the hidden size of a smaller encoder).
        top_k: k of Eq. 11, the entries of mu kept for a document.
        ot_head: W^O of Eq. 6, ``"mlm"`` or ``"linear"``.
        ot_input: what W^O reads: ``"hidden"``, or ``"hidden+token"`` for a head that begins as word matching.
        texts: with ``ot_input="hidden+token"`` or ``lexical="bm25"``, those in which document frequencies are counted.
        activation: over mu, ``"relu"``, ``"log1p_relu"`` or ``"none"``.
        pooling: what W^cls reduces, the hidden state of [CLS] (``"cls"``) or the mean over all tokens (``"mean"``).
        dense_norm: ``"none"``, or ``"l2"`` for a learned scale times the cosine.
        dense_scale: what that scale begins with (default: 20).
        ot_norm: ``"none"``, or ``"sum"`` for weights over a learned power of their sum, ``"query-sum"`` for those of
            queries alone.
        lexical: ``"none"``, or ``"bm25"`` for a bag of words in which words of one stem share an entry and a text's own
            words count as in BM25.
        word_entries: with that, entries for whole words that the tokenizer splits (default: 32,768 with a WordPiece
            tokenizer, else 0, which is none).
        sep_is_ordinary: whether [SEP] counts in mu.
        query_max_length, doc_max_length: tokens of a query and of a document, special tokens included.
        ot_scale, ot_threshold: logits l of W^O become ``ot_scale * (l - ot_threshold)``.
        query_top_k: the entries of mu kept for a query (default: all that are positive).
        calibrate_on: texts by which both of these are found instead: the first 256 that are not empty, each a document
            and with its first 8 words a query.
        query_terms, doc_terms: the median of positive entries that the calibration aims at, for queries (default: 64)
            and for documents (default: 256, at most ``top_k``).
        dtype: of the file of weights: ``"float32"``, ``"bfloat16"`` or ``"float16"``.
        seed: of W^cls where it cuts the hidden states.

    Raises:
        UserError: there is no such checkpoint, it is of a type or in a format that cannot be used, a setting is out of
            range, or the output folder exists or cannot be written.
    """
    folder = require_replaceable(output, lambda there: is_dupmae_folder(str(there)), overwrite=overwrite)
    if dtype not in DTYPES:
        raise UserError(f"unknown dtype {dtype!r}; choose one of {', '.join(DTYPES)}")
    _require_numbers(ot_scale, ot_threshold, dense_scale)
    _require_one_way(calibrate_on is not None, (ot_scale, ot_threshold), (query_terms, doc_terms))
    model = initialise(
        str(source),
        seed,
        cls_dim,
        dense_scale,
        texts,
        top_k=top_k,
        ot_head=ot_head,
        ot_input=ot_input,
        activation=activation,
        pooling=pooling,
        dense_norm=dense_norm,
        ot_norm=ot_norm,
        lexical=lexical,
        word_entries=word_entries,
        sep_is_ordinary=sep_is_ordinary,
        query_max_length=query_max_length,
        doc_max_length=doc_max_length,
        query_top_k=query_top_k,
    )
    found = None
    if calibrate_on is not None:
        if model.own_words is not None:
            raise UserError(
                "--calibrate sets the weights of a head alone, not beside own words; leave out --lexical bm25"
            )
        found = calibrate(model, calibrate_on, query_terms, doc_terms)
    elif (ot_scale, ot_threshold) != (1.0, 0.0):
        scale_weights(model, ot_scale, ot_threshold)
    nn.Module.to(model, DTYPES[dtype])
    with atomic_path(folder) as temporary, quiet_transformers():
        model.save_pretrained(temporary)
    return InitResult(folder, sum(parameter.numel() for parameter in model.parameters()), found)


def _require_numbers(ot_scale: float, ot_threshold: float, dense_scale: float | None) -> None:
    for name, value in {"--ot-scale": ot_scale, "--dense-scale": dense_scale}.items():
        if value is not None and not (math.isfinite(value) and value > 0):
            raise UserError(f"{name} is {value}; give a finite number above 0")
    if not math.isfinite(ot_threshold):
        raise UserError(f"--ot-threshold is {ot_threshold}; give a finite number")


def _require_one_way(calibrates: bool, shift: tuple[float, float], terms: tuple[int | None, int | None]) -> None:
    """Raise `UserError` unless threshold and scale of the head are given, or found, or neither."""
    require_positive(query_terms=terms[0], doc_terms=terms[1])
    if calibrates and shift != (1.0, 0.0):
        raise UserError("--calibrate finds what --ot-scale and --ot-threshold give; leave out one or the other")
    if not calibrates and terms != (None, None):
        raise UserError("--query-terms and --doc-terms are what --calibrate aims at; give texts with --calibrate")


def initialise(
    source: str,
    seed: int = 0,
    cls_dim: int | None = None,
    dense_scale: float | None = None,
    texts: Iterable[str] = (),
    **settings: Any,
) -> DupMAEModel:
    """A DupMAE model made from the checkpoint ``source``, a folder or a name on the Hugging Face Hub.

    The log says what the checkpoint lacks and how it was initialised; ``seed`` decides W^cls where it cuts the [CLS].
    ``source`` may be a DupMAE model already: then the settings given take the place of its own.

    Args:
        cls_dim: d' of Eq. 10 (default: 384, or the hidden size of a smaller encoder).
        dense_scale: what the cosine begins to be multiplied by, with ``dense_norm="l2"`` (default: 20).
        texts: with ``ot_input="hidden+token"`` or ``lexical="bm25"``, those in which document frequencies are counted.
        settings: arguments of `DupMAEConfig` other than the encoder and what the tokenizer decides.

    Raises:
        UserError: there is no such checkpoint, it is of a type or in a format that cannot be used, or a setting is
            out of range.
    """
    if is_dupmae_folder(source):
        model = load_model(source).model
        had_own_words = model.own_words is not None
        if not had_own_words:
            settings = _with_word_entries(settings, model.tokenizer)
        model = _changed(model, source, cls_dim, settings)
        _set_dense_scale(model, dense_scale)
        if model.own_words is not None and not had_own_words:
            set_own_words(model, model.tokenizer, texts)
        return model
    checkpoint, missing = _load_masked_lm(source)
    tokenizer = _load_tokenizer(source)
    config = _configure(checkpoint, tokenizer, cls_dim, _with_word_entries(settings, tokenizer))
    model = DupMAEModel(config).eval()
    model.encoder.load_state_dict(checkpoint.base_model.state_dict())
    set_cls_projection(model.cls_projection, config, seed)
    _set_dense_scale(model, dense_scale)
    if model.own_words is not None:
        texts = list(texts)  # read twice
        set_own_words(model, tokenizer, texts)
    if isinstance(model.ot_head, TokenHead):
        set_token_head(model, tokenizer, texts)
    elif config.ot_head == "linear":
        set_linear_head(model, Path(source) / PRETRAINING_WEIGHTS)
    elif missing:
        set_new_head(model, missing)
    else:
        copy_head(model, checkpoint)
    model.tokenizer = tokenizer
    return model


def scale_weights(model: DupMAEModel, scale: float, threshold: float) -> None:
    """Let every logit l of W^O be scale (l - threshold), by changing the head's own parameters.

    A masked LM's logits lie on a scale of their own: most are positive, and their products drown [CLS]. A threshold
    leaves few entries of mu, and a scale makes the two parts of Eq. 12 of one order where fine-tuning begins.

    Raises:
        UserError: the head is one matrix, which has no bias for a threshold.
    """
    if model.config.ot_head != "mlm":
        raise UserError("--ot-scale and --ot-threshold need a masked-LM head (--ot-head mlm); W^O here is one matrix")
    rescale(model.ot_head, scale, threshold)
    logger.info("W^O: logits l become %g (l - %g)", scale, threshold)


def _changed(model: DupMAEModel, source: str, cls_dim: int | None, settings: dict[str, Any]) -> DupMAEModel:
    """``model`` with other settings, among those that need no other parameters."""
    config = model.config
    for name, value in {"cls_dim": cls_dim, "ot_head": None, **settings}.items():
        fixed = ("cls_dim", "ot_head", "ot_input", *(["word_entries"] if model.own_words is not None else []))
        if name in fixed and value not in (None, getattr(config, name)):
            raise UserError(
                f"{source!r} is a DupMAE model with {name} {getattr(config, name)}; {value} needs other parameters: "
                "make the model from its masked LM"
            )
    changes = {name: value for name, value in settings.items() if value is not None}
    _ = model.tokenizer  # found by the folder's name, which a new configuration does not have
    try:
        model.config = DupMAEConfig(**{**config.to_dict(), **changes})
    except ValueError as error:
        raise UserError(str(error)) from None
    if model.config.dense_norm == "none":
        model.log_dense_scale = None
    elif model.log_dense_scale is None:
        model.set_dense_scale(NEW_DENSE_SCALE)
    if config.ot_norm != model.config.ot_norm:
        model.set_ot_norm()
    model.set_own_words()
    return model


def _with_word_entries(settings: dict[str, Any], tokenizer: Any) -> dict[str, Any]:
    """``settings`` with no entries for whole words where none is split as `WholeWords` knows it, by WordPiece."""
    if settings.get("word_entries") is None and not any(map(is_inner_piece, tokenizer.get_vocab())):
        return {**settings, "word_entries": 0}
    return settings


def _set_dense_scale(model: DupMAEModel, scale: float | None) -> None:
    if scale is None:
        return
    if model.config.dense_norm != "l2":
        raise UserError(f"--dense-scale {scale:g} needs --dense-norm l2, whose cosine it multiplies")
    model.set_dense_scale(scale)


def _load_masked_lm(source: str) -> tuple[PreTrainedModel, list[str]]:
    """The checkpoint with its masked-LM head, and the parameters of the head that it does not have."""
    kind = load_config(source, source).model_type
    if kind not in MASKED_LM_HEADS:
        raise UserError(
            f"{source!r} is a model of type {kind!r}; a DupMAE model can be made from {', '.join(MASKED_LM_HEADS)}"
        )
    checkpoint, missing = load_pretrained(
        AutoModelForMaskedLM, source, source, dtype=torch.float32, trust_remote_code=False
    )
    encoder = checkpoint.base_model_prefix + "."
    if lost := [name for name in missing if name.startswith(encoder)]:
        raise UserError(
            f"{source!r} lacks {len(lost)} parameters of its encoder, {lost[0]} for one; it is not complete"
        )
    return checkpoint, missing


def _load_tokenizer(source: str) -> Any:
    tokenizer = load_tokenizer(source, source)
    if tokenizer.cls_token_id is None or tokenizer.sep_token_id is None:
        raise UserError(f"the tokenizer of {source!r} has no [CLS] or no [SEP] token")
    return tokenizer


def _configure(
    checkpoint: PreTrainedModel, tokenizer: Any, cls_dim: int | None, settings: dict[str, Any]
) -> DupMAEConfig:
    try:
        config = DupMAEConfig(
            checkpoint.config,
            cls_dim=min(DEFAULT_CLS_DIM, checkpoint.config.hidden_size) if cls_dim is None else cls_dim,
            cls_token_id=tokenizer.cls_token_id,
            sep_token_id=tokenizer.sep_token_id,
            vocab_limit=min(len(tokenizer), checkpoint.config.vocab_size),
            **{name: value for name, value in settings.items() if value is not None},
        )
    except ValueError as error:
        raise UserError(str(error)) from None
    if config.cls_dim > config.hidden_size:
        raise UserError(
            f"cls_dim is {config.cls_dim}, but the encoder's hidden states have only {config.hidden_size} dimensions; "
            f"give --cls-dim {config.hidden_size} or less"
        )
    return config
