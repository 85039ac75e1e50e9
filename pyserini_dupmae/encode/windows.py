"""The documents of one shard, tokenised and cut into batches of like length."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from pyserini_dupmae.data.corpus import Document


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
