"""What a checkpoint lacks of a DupMAE model, made new: W^cls, the forms of W^O, own words."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import nn
from transformers import PreTrainedModel

from pyserini_dupmae.modeling.configuration import DupMAEConfig
from pyserini_dupmae.modeling.lexical import set_lexical_head, token_frequencies
from pyserini_dupmae.modeling.masked_lm import MASKED_LM_HEADS
from pyserini_dupmae.modeling.model import DupMAEModel
from pyserini_dupmae.util.errors import UserError
from pyserini_dupmae.util.log import logger

# Measured with all-MiniLM-L6-v2: at 2, Eq. 12 has a higher nDCG@10 than either part, on docstrings and on Cranfield.
NEW_HEAD_SCALE = 2.0

TEXTS_A_BATCH = 1000


@torch.no_grad()
def set_cls_projection(projection: nn.Linear, config: DupMAEConfig, seed: int) -> None:
    """W^cls: the identity, or random orthonormal directions that ``seed`` decides where it cuts the hidden states."""
    if config.cls_dim == config.hidden_size:
        nn.init.eye_(projection.weight)
        logger.info("W^cls: new, the identity (%d dimensions)", config.cls_dim)
        return
    generator = torch.Generator().manual_seed(seed)
    nn.init.orthogonal_(projection.weight, generator=generator)
    logger.info(
        "W^cls: new, %d random orthonormal directions of %d (seed %d); train it before use",
        config.cls_dim,
        config.hidden_size,
        seed,
    )


@torch.no_grad()
def set_linear_head(model: DupMAEModel, pretrained: Path) -> None:
    """W^O of one matrix: the one in ``pretrained`` if that file has one, else the input embeddings."""
    found = load_file(pretrained) if pretrained.exists() else {}
    if "projection" in found:
        model.ot_head.output.weight.copy_(found["projection"])
        logger.info("W^O: the pre-trained matrix in %s", pretrained)
        return
    model.ot_head.output.weight.copy_(model.get_input_embeddings().weight)
    logger.info("W^O: new, a copy of the input embeddings (%d x %d)", model.config.hidden_size, model.config.vocab_size)


def set_token_head(model: DupMAEModel, tokenizer: Any, texts: Iterable[str]) -> None:
    """W^O that begins as word matching, by document frequencies in ``texts``; `UserError` where there are none."""
    count = partial(token_frequencies, vocab_size=model.config.vocab_size)
    frequencies, documents = _frequencies(count, tokenizer, texts, "--ot-input hidden+token")
    embeddings = model.get_input_embeddings().weight
    set_lexical_head(model.ot_head, embeddings, torch.from_numpy(frequencies).to(embeddings.dtype), documents)


def set_own_words(model: DupMAEModel, tokenizer: Any, texts: Iterable[str]) -> None:
    """Stems of the vocabulary, and rarity by document frequencies in ``texts``; `UserError` where there are none."""
    assert model.own_words is not None
    model.own_words.set_stems(tokenizer.convert_ids_to_tokens(range(model.config.vocab_limit)))
    frequencies, documents = _frequencies(model.own_words.document_frequencies, tokenizer, texts, "--lexical bm25")
    model.own_words.set_rarity(frequencies, documents)
    logger.info("own words: new, by the document frequencies of %d texts", documents)


def _frequencies(
    count: Callable[[list[np.ndarray]], np.ndarray], tokenizer: Any, texts: Iterable[str], option: str
) -> tuple[np.ndarray, int]:
    """In how many of ``texts`` each entry occurs, by what ``count`` says of token ids, and how many texts there are."""
    found, documents = np.zeros(1, np.int64), 0
    texts = iter(texts)
    while batch := list(islice(texts, TEXTS_A_BATCH)):
        tokens = tokenizer(batch, add_special_tokens=False, verbose=False)["input_ids"]
        found = found + count([np.array(ids, np.int64) for ids in tokens])
        documents += len(batch)
    if not documents:
        raise UserError(f"{option} weighs words by their document frequencies: give texts (--ot-texts)")
    return found, documents


@torch.no_grad()
def copy_head(model: DupMAEModel, checkpoint: PreTrainedModel) -> None:
    """W^O: the checkpoint's masked-LM head."""
    names = MASKED_LM_HEADS[model.config.encoder.model_type]
    model.ot_head.dense.load_state_dict(checkpoint.get_submodule(names.dense).state_dict())
    model.ot_head.layer_norm.load_state_dict(checkpoint.get_submodule(names.layer_norm).state_dict())
    decoder: Any = checkpoint.get_output_embeddings()
    model.ot_head.output.bias.copy_(decoder.bias)
    model.ot_head.output.weight.copy_(decoder.weight)  # a tied one stays what it is
    logger.info("W^O: the checkpoint's masked-LM head")


@torch.no_grad()
def set_new_head(model: DupMAEModel, missing: list[str]) -> None:
    """A head under which a token's own hidden state points at the token, and chance does not count.

    The hidden states pass through but for the activation and the LayerNorm, after which they have length sqrt(d). A
    logit against an unrelated embedding e then has about the standard deviation |e|, and the largest of |V| such
    reaches about t = |e| sqrt(2 ln |V|) (the universal threshold of Donoho and Johnstone, 1994). A logit l becomes
    NEW_HEAD_SCALE (l / t - 1): positive for what stands out, and of an order that does not drown [CLS].
    """
    head, embeddings = model.ot_head, model.get_input_embeddings().weight
    threshold = embeddings.square().sum(1).mean().sqrt().item() * math.sqrt(2 * math.log(len(embeddings)))
    nn.init.eye_(head.dense.weight)
    nn.init.zeros_(head.dense.bias)
    nn.init.constant_(head.layer_norm.weight, NEW_HEAD_SCALE / threshold)
    nn.init.zeros_(head.layer_norm.bias)
    head.output.weight.copy_(embeddings)
    nn.init.constant_(head.output.bias, -NEW_HEAD_SCALE)
    logger.info(
        "W^O: the checkpoint has no masked-LM head (no %s); new: dense the identity, LayerNorm %.3f and 0, the decoder "
        "tied to the input embeddings with every bias at %.1f",
        ", ".join(missing),
        NEW_HEAD_SCALE / threshold,
        -NEW_HEAD_SCALE,
    )
