"""BM25 as a product of sparse matrices: rows of queries times rows of documents are scores."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix

from pyserini_dupmae.util.lazy import require

K1, B = 0.9, 0.4
WORD = re.compile(r"\b\w\w+\b")
# Lucene's English stop words.
# fmt: off
STOP_WORDS = frozenset((
    "a", "an", "and", "are", "as", "at", "be", "but", "by", "for", "if", "in", "into", "is", "it", "no", "not", "of",
    "on", "or", "such", "that", "the", "their", "then", "there", "these", "they", "this", "to", "was", "will", "with",
))
# fmt: on


class Stems:
    """Texts to the stems of their words, numbered in the order in which they are first met."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}
        self._number_of: dict[str, int] = {}  # of a word as it was written

    @cached_property
    def _stemmer(self) -> Any:
        return require("Stemmer", "BM25 with English stems", "PyStemmer").Stemmer("english")

    def __len__(self) -> int:
        return len(self.numbers)

    def count(self, text: str) -> Counter[int]:
        """How often each stem occurs in ``text``; stop words and single characters are left out."""
        counts: Counter[int] = Counter()
        for word in WORD.findall(text.lower()):
            if word in STOP_WORDS:
                continue
            number = self._number_of.get(word)
            if number is None:
                number = self.numbers.setdefault(self._stemmer.stemWord(word), len(self.numbers))
                self._number_of[word] = number
            counts[number] += 1
        return counts


def count_matrix(texts: Iterable[str], stems: Stems) -> csr_matrix:
    """The stems' counts, a row a text and a column a stem: (N, len(stems))."""
    indices: list[int] = []
    values: list[int] = []
    ends = [0]
    for text in texts:
        counts = stems.count(text)
        indices += counts.keys()
        values += counts.values()
        ends.append(len(indices))
    return csr_matrix((np.array(values, np.float32), np.array(indices, np.int32), ends), (len(ends) - 1, len(stems)))


def document_weights(counts: csr_matrix) -> tuple[csr_matrix, np.ndarray]:
    """The documents' share of BM25, saturated counts (N, V), and each stem's idf (V,) in this collection.

    ``counts`` (N, V) is the `count_matrix` of the collection.
    """
    lengths = np.asarray(counts.sum(axis=1)).ravel()
    frequency = np.bincount(counts.indices, minlength=counts.shape[1])
    idf = np.log1p((counts.shape[0] - frequency + 0.5) / (frequency + 0.5)).astype(np.float32)
    norm = K1 * (1 - B + B * lengths / max(lengths.mean(), 1e-9))
    saturated = counts.copy()
    saturated.data /= saturated.data + np.repeat(norm, np.diff(counts.indptr)).astype(np.float32)
    return saturated, idf


def query_weights(counts: csr_matrix, idf: np.ndarray) -> csr_matrix:
    """The queries' share of BM25, counts times idf: (Q, V)."""
    return csr_matrix((counts.data * idf[counts.indices], counts.indices, counts.indptr), counts.shape)


def stacked(parts: Sequence[csr_matrix], columns: int) -> csr_matrix:
    """``parts`` one below the other, each widened to ``columns``."""
    ends = np.cumsum([0, *(part.nnz for part in parts)])
    pointers = [part.indptr[:-1] + end for part, end in zip(parts, ends, strict=False)]
    return csr_matrix(
        (
            np.concatenate([part.data for part in parts]),
            np.concatenate([part.indices for part in parts]),
            np.concatenate([*pointers, ends[-1:]]),
        ),
        (sum(part.shape[0] for part in parts), columns),
    )
