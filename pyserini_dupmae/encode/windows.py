"""The documents of one shard: tokenised, cut into batches of like length, and represented by the model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import torch

from pyserini_dupmae.data.corpus import Document
from pyserini_dupmae.modeling.equations import sparsify
from pyserini_dupmae.modeling.model import DupMAEModel
from pyserini_dupmae.util.errors import UserError


@dataclass(frozen=True)
class Window:
    """Documents that are encoded and stored together. ``tokens`` holds a (length,) int64 array for each."""

    documents: list[Document]
    tokens: list[np.ndarray]

    @property
    def docids(self) -> list[str]:
        return [document.docid for document in self.documents]

    @property
    def texts(self) -> list[str]:
        return [document.text for document in self.documents]

    def text_hashes(self) -> np.ndarray:
        """A hash of each text, (n,) uint64."""
        return np.array([document.text_hash() for document in self.documents], np.uint64)

    def frequencies(self, model: DupMAEModel) -> np.ndarray | None:
        """In how many documents each entry of mu has a word, (|V|,) int32; None for a ``model`` without own words."""
        if model.own_words is None:
            return None
        special = (model.config.cls_token_id, model.config.sep_token_id)
        return model.own_words.document_frequencies(self.tokens, special).astype(np.int32)

    def batches(self, batch_size: int) -> Iterator[np.ndarray]:
        """Row numbers, (at most ``batch_size``,) int64, of documents of like length: the longest first, so that what
        does not fit into memory shows at once."""
        lengths = np.array([len(ids) for ids in self.tokens])
        order = np.argsort(-lengths, kind="stable")
        for start in range(0, len(order), batch_size):
            yield order[start : start + batch_size]

    def padded(self, rows: np.ndarray, pad_token_id: int) -> tuple[np.ndarray, np.ndarray]:
        """Token ids and attention mask of ``rows``, each (B, longest) int64."""
        tokens = [self.tokens[row] for row in rows]
        lengths = np.array([len(ids) for ids in tokens])
        mask = np.arange(lengths.max()) < lengths[:, None]
        input_ids = np.full(mask.shape, pad_token_id, np.int64)
        input_ids[mask] = np.concatenate(tokens)
        return input_ids, mask.astype(np.int64)


def windows(documents: Iterable[Document], size: int) -> Iterator[list[Document]]:
    """``documents`` in runs of ``size``, the last one shorter."""
    documents = iter(documents)
    while part := list(islice(documents, size)):
        yield part


def tokenise(documents: list[Document], tokenizer: Any, max_length: int) -> Window:
    """Tokenise ``documents`` in bulk, special tokens included, cut to ``max_length`` tokens."""
    ids = tokenizer(
        [document.text for document in documents],
        max_length=max_length,
        truncation=True,
        return_attention_mask=False,
        return_token_type_ids=False,
    )["input_ids"]
    return Window(documents, [np.array(row, np.int64) for row in ids])


@dataclass(frozen=True)
class Representations:
    """``cls`` (n, d') float32, ``token_ids`` (n, k) int32 and ``weights`` (n, k) float32, the largest first; an entry
    of weight 0 is padding and has token id 0. Negative weights, possible with ``activation: none``, are dropped."""

    cls: np.ndarray
    token_ids: np.ndarray
    weights: np.ndarray


@torch.inference_mode()
def encode_window(
    model: DupMAEModel, window: Window, top_k: int, batch_size: int, advance: Callable[[float], object]
) -> Representations:
    """Represent a window's documents; the same window and settings give the same bytes.

    Args:
        advance: is told each batch's share of the tokens that the model reads, padding included, times n.

    Raises:
        UserError: the model gave NaN or infinity; names the docid.
    """
    n, device = len(window.documents), model.device
    pad = model.tokenizer.pad_token_id or 0
    cls = torch.empty(n, model.config.cls_dim, device=device)
    token_ids = torch.empty(n, top_k, dtype=torch.int32, device=device)
    weights = torch.empty(n, top_k, device=device)
    batches = list(window.batches(batch_size))
    tokens = [len(rows) * len(window.tokens[rows[0]]) for rows in batches]  # the first row is the longest
    for rows, share in zip(batches, tokens, strict=True):
        input_ids, attention_mask = (torch.from_numpy(part).to(device) for part in window.padded(rows, pad))
        batch_cls, mu = model.represent(input_ids, attention_mask)
        batch_ids, batch_weights = sparsify(mu.clamp_min(0), top_k)
        where = torch.from_numpy(rows).to(device)
        cls[where] = batch_cls.float()
        token_ids[where] = batch_ids.masked_fill_(batch_weights == 0, 0).int()
        weights[where] = batch_weights.float()
        advance(n * share / sum(tokens))
    finite = cls.isfinite().all(dim=1) & weights.isfinite().all(dim=1)
    if not finite.all():
        document = window.documents[int(finite.int().argmin())]
        raise UserError(
            f"the model gave NaN or infinity for the document {document.docid!r} ({document.place}); "
            f"{'its weights are damaged' if model.dtype == torch.float32 else 'try --dtype float32'}"
        )
    return Representations(cls.cpu().numpy(), token_ids.cpu().numpy(), weights.cpu().numpy())
