"""From the hits of a query to its negatives: what is a positive, says the same, or is probably relevant is left out."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b

import numpy as np

from pyserini_dupmae.training.data import DocumentFiles, TrainingSet
from pyserini_dupmae.util.progress import Progress

TEXTS_AT_A_TIME = 10_000


@dataclass
class ScoreFilter:
    """Drops probable false negatives: hits that a teacher scores above the lowest positive minus ``margin``.

    That is TopK-MarginPos of NV-Retriever (arXiv 2407.15831, section 4); with several positives the lowest counts, as
    for ``absolute_margin`` of sentence-transformers' ``mine_hard_negatives``. It drops only on evidence: a hit without
    a score stays, and so does every hit of a query none of whose positives has a score.

    ``scored`` holds the teacher's scores, of positives and of ``negatives``, for the same queries and documents.
    """

    scored: TrainingSet
    margin: float
    dropped: int = 0
    unknown: int = 0

    def keep(self, query: int, rows: np.ndarray) -> np.ndarray:
        """Those of the documents ``rows`` (n,) that stay for the query of this number, in their order."""
        scored = self.scored
        assert scored.positive_scores is not None, "a set without scores"
        assert scored.negative_scores is not None, "a set without scores"
        lowest = np.nanmin(scored.positive_scores[query], initial=np.inf)
        known = dict(zip(scored.negatives[query].tolist(), scored.negative_scores[query].tolist(), strict=True))
        scores = np.array([known.get(row, np.nan) for row in rows.tolist()])
        probably_false = scores > lowest - self.margin  # never where the score is not a number
        self.dropped += int(probably_false.sum())
        self.unknown += int(np.isnan(scores).sum())
        return rows[~probably_false]


@dataclass(frozen=True)
class Selection:
    """Which hits of a query become its negatives.

    Neither a positive nor a document with the text of one, by ``hashes`` (N,) of `text_hashes`; of documents
    with the same text the first. Of what remains, the ``skip`` hardest are left out, then what ``score_filter`` drops.
    """

    training_set: TrainingSet
    hashes: np.ndarray
    skip: int = 0
    score_filter: ScoreFilter | None = None

    def negatives(self, query: int, hits: np.ndarray) -> np.ndarray:
        """Those of the documents ``hits`` (n,), best first, that are negatives of the query of this number."""
        hashes = self.hashes[hits]
        is_first = np.zeros(len(hits), bool)
        is_first[np.unique(hashes, return_index=True)[1]] = True
        is_positive = np.isin(hashes, self.hashes[self.training_set.positives[query]])
        rows = hits[is_first & ~is_positive][self.skip :]
        return rows if self.score_filter is None else self.score_filter.keep(query, rows)


def text_hashes(documents: DocumentFiles) -> np.ndarray:
    """A hash of each document's text without case and with white space collapsed, by row: (N,) uint64.

    64 bits make an accidental duplicate among the 8.8 million passages of MS MARCO improbable (2e-6).
    """
    hashes = np.empty(len(documents), np.uint64)
    with Progress("looking for duplicates", len(documents), "documents") as progress:
        for start in range(0, len(documents), TEXTS_AT_A_TIME):
            rows = range(start, min(start + TEXTS_AT_A_TIME, len(documents)))
            digests = b"".join(_digest(text) for text in documents.texts(rows))
            hashes[rows.start : rows.stop] = np.frombuffer(digests, np.uint64)
            progress.update(len(rows))
    return hashes


def _digest(text: str) -> bytes:
    return blake2b(" ".join(text.casefold().split()).encode(errors="surrogatepass"), digest_size=8).digest()
