"""Two kinds of teacher behind one interface: a cross-encoder, and a bi-encoder.

Both are made for a training set and the ``documents`` to be scored: rows (n,) int64 for each of its queries.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from sentence_transformers import CrossEncoder, SentenceTransformer
from tqdm import tqdm

from pyserini_dupmae.training.data import TrainingSet

COSINE_SCALE = 20.0
"""What sentence-transformers' ranking losses multiply cosines by, so that a softmax over them is not flat."""
TEXTS_AT_A_TIME = 20_000


class Scorer(Protocol):
    """A teacher."""

    def scores(self, part: range) -> np.ndarray:
        """The scores of the queries ``part`` with their documents, one query after another: (pairs,) float32."""


class CrossEncoderScorer:
    """Raw logits of a cross-encoder."""

    def __init__(self, model: CrossEncoder, data: TrainingSet, documents: Sequence[np.ndarray], batch_size: int):
        self.model, self.data, self.documents, self.batch_size = model, data, documents, batch_size

    def scores(self, part: range) -> np.ndarray:
        data = self.data
        pairs = [(data.queries[i], text) for i in part for text in data.documents.texts(self.documents[i])]
        # `predict` sorts by length, so that little is computed for padding.
        return self.model.predict(
            pairs, batch_size=self.batch_size, activation_fn=torch.nn.Identity(), show_progress_bar=False
        )


class BiEncoderScorer:
    """Cosines of a bi-encoder, times `COSINE_SCALE`.

    Every text is embedded once, and all of them before the first score, so that none depends on where an interrupted
    run went on. The embeddings are held in memory.
    """

    def __init__(self, model: SentenceTransformer, data: TrainingSet, documents: Sequence[np.ndarray], batch_size: int):
        self.documents = documents
        self._rows = np.unique(np.concatenate(documents))
        blocks = np.split(self._rows, range(TEXTS_AT_A_TIME, len(self._rows), TEXTS_AT_A_TIME))
        options = {"batch_size": batch_size, "normalize_embeddings": True, "show_progress_bar": False}
        self._queries = model.encode(data.queries, **options)  # (queries, d)
        self._embeddings = np.concatenate(
            [model.encode(data.documents.texts(block), **options) for block in tqdm(blocks, desc="embedding")]
        )  # (rows, d)

    def scores(self, part: range) -> np.ndarray:
        documents = self.documents[part.start : part.stop]
        queries = self._queries[np.repeat(part, [len(rows) for rows in documents])]  # (pairs, d)
        embeddings = self._embeddings[np.searchsorted(self._rows, np.concatenate(documents))]  # (pairs, d)
        return COSINE_SCALE * np.einsum("ij,ij->i", queries, embeddings)
