"""A threshold and a scale for a head, from texts: bags of words of a stated size, that count as much as the dense part.

A masked LM's logits lie on a scale of their own. Most of a text's are positive, so that a query has ten thousands of
terms and their products drown the dense part. Here the logits l become scale (l - threshold), as `--ot-scale` and
`--ot-threshold` of ``pyserini_dupmae.init`` would make them, with both numbers found on texts:

- the threshold is the least under which the median query and the median document have no more positive entries than
  is asked for. There is one for both, so that one of the two medians is met and the other stays below;
- the scale gives both parts of Eq. 12 one spread: the standard deviation of a query's scores over the documents.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice

import torch
from torch import Tensor

from pyserini_dupmae.modeling.equations import activate, sparsify
from pyserini_dupmae.modeling.heads import LinearHead, MaskedLMHead, TokenHead
from pyserini_dupmae.modeling.model import DupMAEModel
from pyserini_dupmae.modeling.vocabulary import pooled_logits
from pyserini_dupmae.util.errors import UserError
from pyserini_dupmae.util.log import logger

TEXTS = 256
"""Documents that are looked at, and as many queries. More change the medians by less than a term in a hundred."""

QUERY_WORDS = 8
"""A query is the first so many words of a text, about as long as MS MARCO's."""

QUERY_TERMS, DOC_TERMS = 64, 256
TEXTS_A_BATCH = 16
MIN_TEXTS = 2
LARGEST_LOG_SCALE = 20.0
HALVINGS = 32  # of twice that: the scale is then known to eight digits


@dataclass(frozen=True)
class Calibration:
    """What was found, and what came of it.

    Attributes:
        scale, threshold: logits l of W^O became ``scale * (l - threshold)``.
        query_terms, doc_terms: the medians of positive entries, of a document before its top k is taken.
        dense_spread, sparse_spread: the mean over queries of the standard deviation of their scores over the documents,
            by each part of Eq. 12.
    """

    scale: float
    threshold: float
    query_terms: float
    doc_terms: float
    dense_spread: float
    sparse_spread: float

    def __str__(self) -> str:
        return (
            f"logits l become {self.scale:.4g} (l - {self.threshold:.4g}); the median query has {self.query_terms:g} "
            f"positive entries, the median document {self.doc_terms:g}; scores of one query spread by "
            f"{self.dense_spread:.3g} (dense) and {self.sparse_spread:.3g} (bag of words)"
        )


@torch.no_grad()
def rescale(head: LinearHead, scale: float, threshold: float) -> None:
    """Let every logit l of ``head`` be ``scale * (l - threshold)``, by changing the head's own parameters.

    A head of one matrix takes a threshold of 0 alone.
    """
    if not isinstance(head, MaskedLMHead):
        head.output.weight.mul_(scale)
        return
    # The decoder's matrix is the input embeddings' and stays: what it is multiplied with is scaled.
    scaled = [*head.layer_norm.parameters(), *(head.token.parameters() if isinstance(head, TokenHead) else ())]
    for parameter in scaled:
        parameter.mul_(scale)
    head.output.bias.sub_(threshold).mul_(scale)


@torch.inference_mode()
def calibrate(
    model: DupMAEModel,
    texts: Iterable[str],
    query_terms: int | None = None,
    doc_terms: int | None = None,
) -> Calibration:
    """Change the head of ``model`` as the module says.

    Args:
        texts: of which the first `TEXTS` are looked at; each is a document, and its first words are a query.
        query_terms, doc_terms: the medians that are asked for (default: `QUERY_TERMS` and `DOC_TERMS`, at most the
            model's top k). A head of one matrix has no bias for a threshold, and they are what they are.

    Raises:
        UserError: there are fewer than two texts that are not empty.
    """
    documents = list(islice((text for text in texts if text.split()), TEXTS))
    if len(documents) < MIN_TEXTS:
        raise UserError(f"--calibrate needs at least {MIN_TEXTS} texts that are not empty, but has {len(documents)}")
    queries = [" ".join(text.split()[:QUERY_WORDS]) for text in documents]
    config = model.config
    query_terms, doc_terms = query_terms or QUERY_TERMS, doc_terms or min(DOC_TERMS, config.top_k)
    query_dense, query_logits = _pooled(model, queries, config.query_max_length)  # (n, d'), (n, |V|)
    doc_dense, doc_logits = _pooled(model, documents, config.doc_max_length)
    threshold = 0.0
    if isinstance(model.ot_head, MaskedLMHead):
        threshold = max(_threshold(query_logits, query_terms), _threshold(doc_logits, doc_terms))
    dense_spread = _spread(query_dense @ doc_dense.T)

    def sparse_spread(scale: float) -> float:
        query_mu = _weights(model, scale * (query_logits - threshold), query=True)
        token_ids, weights = sparsify(_weights(model, scale * (doc_logits - threshold), query=False), config.top_k)
        bags = torch.zeros_like(doc_logits).scatter_(1, token_ids, weights)
        return _spread(query_mu @ bags.T)

    scale = _rising_root(sparse_spread, dense_spread)
    rescale(model.ot_head, scale, threshold)
    found = Calibration(
        scale=scale,
        threshold=threshold,
        query_terms=_median_terms(query_logits, threshold),
        doc_terms=_median_terms(doc_logits, threshold),
        dense_spread=dense_spread,
        sparse_spread=sparse_spread(scale),
    )
    logger.info("W^O, calibrated on %d texts: %s", len(documents), found)
    return found


def _pooled(model: DupMAEModel, texts: list[str], max_length: int) -> tuple[Tensor, Tensor]:
    """The dense part (n, d'), and mu (n, |V|) before its activation, float32."""
    dense, logits = [], []
    for start in range(0, len(texts), TEXTS_A_BATCH):
        batch = model.tokenizer(
            texts[start : start + TEXTS_A_BATCH],
            max_length=max_length,
            truncation=True,
            padding=True,
            return_tensors="pt",
        ).to(model.device)
        parts = model.pooled(batch["input_ids"], batch["attention_mask"], pooled_logits)
        dense.append(parts[0].float())
        logits.append(parts[1].float())
    return torch.cat(dense), torch.cat(logits)


def _weights(model: DupMAEModel, logits: Tensor, query: bool) -> Tensor:
    """The bags of words (n, |V|) of pooled ``logits``, as an index keeps them."""
    return model.normed(activate(logits, model.config.activation), query).clamp_min(0)


def _threshold(logits: Tensor, terms: int) -> float:
    """The least value that no more than ``terms`` entries of the median row of ``logits`` (n, |V|) exceed."""
    terms = min(terms, logits.shape[1] - 1)
    return _upper_median(logits.topk(terms + 1, dim=1).values[:, -1])


def _median_terms(logits: Tensor, threshold: float) -> float:
    return _upper_median((logits > threshold).sum(dim=1).float())


def _upper_median(values: Tensor) -> float:
    """Of an even number of values the upper one of the two in the middle, so that it is one of them."""
    return values.sort().values[len(values) // 2].item()


def _spread(scores: Tensor) -> float:
    """The mean over queries of the standard deviation over documents, of ``scores`` (Q, D)."""
    return scores.double().std(dim=1, correction=0).mean().item()


def _rising_root(function: Callable[[float], float], value: float) -> float:
    """Where the rising ``function`` of a positive number is ``value``; 1 where it is ``value`` nowhere."""
    low, high = -LARGEST_LOG_SCALE, LARGEST_LOG_SCALE
    if not function(math.exp(low)) < value < function(math.exp(high)):
        return 1.0
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if function(math.exp(middle)) < value else (low, middle)
    return math.exp((low + high) / 2)
