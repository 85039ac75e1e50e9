"""Models of sentence-transformers: a cross-encoder to train, made from any checkpoint, and finished teachers."""

from __future__ import annotations

import hashlib
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import save_file
from torch import nn
from transformers import AutoModel, AutoModelForSequenceClassification
from transformers.utils import CONFIG_NAME, SAFE_WEIGHTS_NAME

from pyserini_dupmae.modeling.loading import DTYPES, is_dupmae_folder, load_model
from pyserini_dupmae.modeling.masked_lm import position_limit
from pyserini_dupmae.modeling.weights import load_config, load_pretrained, reading, require_finite
from pyserini_dupmae.util.errors import UserError
from pyserini_dupmae.util.lazy import require
from pyserini_dupmae.util.log import logger

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder, SentenceTransformer

CLASSIFIER = "ForSequenceClassification"
SAFE = {"use_safetensors": True}
"""What loads no pickle, which may run any code."""


def sentence_transformers() -> Any:
    """The library; raises `UserError` when it is not installed."""
    return require("sentence_transformers", "a teacher", "'pyserini_dupmae[train]'")


def new_cross_encoder(name: str, max_length: int) -> CrossEncoder:
    """A cross-encoder with one label and texts of at most ``max_length`` tokens a pair, on the CPU.

    ``name`` is a cross-encoder, which goes on, or any encoder, which gets a new classifier: a masked LM, a bi-encoder,
    or a DupMAE model, of which the encoder is taken.

    Raises:
        UserError: there is no such model, it has several labels, or it does not take ``max_length`` tokens.
    """
    if is_dupmae_folder(name):
        with TemporaryDirectory() as folder:
            dupmae = load_model(name).model
            dupmae.encoder.config.save_pretrained(folder)
            dupmae.tokenizer.save_pretrained(folder)
            # The encoder's own `save_pretrained` writes nothing but in the first of several processes.
            save_file(dupmae.encoder.state_dict(), Path(folder) / SAFE_WEIGHTS_NAME, metadata={"format": "pt"})
            return _new_cross_encoder(folder, name, max_length)
    return _new_cross_encoder(name, name, max_length)


def _new_cross_encoder(place: str, name: str, max_length: int) -> CrossEncoder:
    if not _is_classifier(place, name):
        logger.info("%s gets a new classifier, which wants training", name)
    library = sentence_transformers()
    with reading(name):
        model: CrossEncoder = library.CrossEncoder(
            place, num_labels=1, max_length=max_length, device="cpu", model_kwargs=SAFE
        )
    require_finite(model, name)
    assert model.config is not None, "a cross-encoder has a configuration"
    limit = position_limit(model.config)
    if max_length > limit:
        raise UserError(f"--max-length {max_length} does not fit: {name} takes {limit} tokens")
    return model


def load_cross_encoder(name: str, device: str, dtype: str, max_length: int | None) -> CrossEncoder:
    """A finished cross-encoder with one label; ``max_length`` None leaves its own.

    Raises:
        UserError: there is no such model, it is no cross-encoder, or the device cannot be used.
    """
    if not _is_classifier(name, name):
        raise UserError(
            f"{name} is no cross-encoder: it has no trained classifier; train one from it with: python -m "
            "pyserini_dupmae.training.teacher train, or give --bi-encoder if it is a SentenceTransformer"
        )
    _require_whole(AutoModelForSequenceClassification, name)
    options = {"dtype": _dtype(dtype), **SAFE}
    with reading(name):
        model: CrossEncoder = sentence_transformers().CrossEncoder(
            name, max_length=max_length, device=device, model_kwargs=options
        )
    if model.num_labels != 1:
        raise UserError(f"{name} has {model.num_labels} labels; a teacher gives one score a pair")
    return model


def load_bi_encoder(name: str, device: str, dtype: str, max_length: int | None) -> SentenceTransformer:
    """A bi-encoder; see `load_cross_encoder`."""
    if (Path(name) / CONFIG_NAME).is_file():  # else it has one folder or more of its own
        _require_whole(AutoModel, name)
    options = {"dtype": _dtype(dtype), **SAFE}
    with reading(name):
        model: SentenceTransformer = sentence_transformers().SentenceTransformer(
            name, device=device, model_kwargs=options
        )
    require_finite(model, name)
    if max_length is not None:
        model.max_seq_length = max_length
    return model


def weights_digest(model: nn.Module) -> str:
    """A hash of a model's weights, wherever it was loaded from."""
    digest = hashlib.sha256()
    for name, value in model.state_dict().items():
        digest.update(name.encode())
        digest.update(value.cpu().contiguous().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _is_classifier(place: str, name: str) -> bool:
    architectures = load_config(place, name).architectures
    return architectures is not None and architectures[:1] != [] and architectures[0].endswith(CLASSIFIER)


def _require_whole(kind: Any, name: str) -> None:
    """Raise `UserError` if weights of ``name`` are missing, which sentence-transformers makes up."""
    _, missing = load_pretrained(kind, name, name)
    if lost := [tensor for tensor in missing if not tensor.startswith("pooler.")]:
        raise UserError(f"the weights of {name!r} are not complete: {lost[0]} is missing")


def _dtype(name: str) -> torch.dtype:
    if name not in DTYPES:
        raise UserError(f"unknown dtype {name!r}; choose one of {', '.join(DTYPES)}")
    return DTYPES[name]
