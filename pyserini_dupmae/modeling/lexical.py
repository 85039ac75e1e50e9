"""A head that begins as word matching: each token weighs what its rarity says, its neighbours in meaning less."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from pyserini_dupmae.modeling.heads import TokenHead
from pyserini_dupmae.util.log import logger

# Not tuned beyond a look. Products of two weights are then of the order that a softmax over scores wants; a token that
# occurs five times in a text weighs about twice as much as one that occurs once.
IDF_SHARE = 0.2
DISTANCE = 2.0
COUNT = 0.25
NEIGHBOURS = 30
CONTEXT = 0.03
SEEN = 3


def token_frequencies(texts: Sequence[np.ndarray], vocab_size: int) -> np.ndarray:
    """In how many of ``texts``, token ids each, every token occurs: (|V|,) int64."""
    return np.bincount(np.concatenate([np.unique(ids) for ids in texts]), minlength=vocab_size)


@torch.no_grad()
def set_lexical_head(head: TokenHead, embeddings: Tensor, frequencies: Tensor, documents: int) -> None:
    """Let ``head`` give a token standing alone the weight sqrt(IDF_SHARE * idf) for itself, for others less.

    The weight for another token u falls from u's own by DISTANCE times e_u . (e_u - e_v), so that inflections and near
    synonyms come out positive; at most NEIGHBOURS of the tokens that occur give u a positive weight. What hidden states
    add begins small.

    ``embeddings`` (|V|, d) are the input embeddings e, ``frequencies`` (|V|,) the `token_frequencies` in so many
    ``documents``.
    """
    centred = embeddings - embeddings.mean(dim=0)
    nn.init.eye_(head.dense.weight)
    nn.init.zeros_(head.dense.bias)
    nn.init.constant_(head.layer_norm.weight, CONTEXT)
    nn.init.zeros_(head.layer_norm.bias)
    nn.init.zeros_(head.gate.weight)
    nn.init.zeros_(head.gate.bias)
    head.token.weight.copy_(DISTANCE * torch.eye(embeddings.shape[1]))
    head.token.bias.copy_(-DISTANCE * embeddings.mean(dim=0))
    head.count.weight.copy_(torch.tensor([COUNT, 0.0]).expand_as(head.count.weight))
    head.output.weight.copy_(embeddings)
    idf = torch.log1p((documents - frequencies + 0.5) / (frequencies + 0.5))
    alone = (IDF_SHARE * idf).sqrt() - DISTANCE * (embeddings * centred).sum(dim=1)
    crowd = DISTANCE * _rank(embeddings, centred[frequencies >= SEEN], NEIGHBOURS + 1)
    head.output.bias.copy_(torch.minimum(alone, -crowd))
    head.output.bias[frequencies == 0] -= SEEN
    logger.info("W^O: new, word matching by the document frequencies of %d texts", documents)


def _rank(rows: Tensor, others: Tensor, rank: int) -> Tensor:
    """For each of ``rows`` (n, d) the ``rank``-th largest inner product with one of ``others`` (m, d): (n,)."""
    rank = min(rank, len(others))
    if rank == 0:
        return torch.full((len(rows),), float("-inf"))
    return torch.cat([(block @ others.T).topk(rank, dim=1).values[:, -1] for block in rows.split(1024)])
