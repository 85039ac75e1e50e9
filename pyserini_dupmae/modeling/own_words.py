"""A text's own words beside what W^O makes of them: what BM25 knows, as a part of the bag of words.

W^O learns which words a text is about, but a maximum over positions and a learned weight lose what makes word matching
hard to beat: how often a word occurs, how long the text is, and how rare the word is. With ``lexical: bm25``

- words of one stem share an entry of the bag, the largest of theirs ("compute", "computing");
- a word that the tokenizer splits has an entry of its own, see `pyserini_dupmae.modeling.whole_words`; in a query each
  of its pieces counts ``piece_share``, since one that is found without the others says little;
- each word of a document adds ``doc_share`` * rarity * tf / (tf + K1 (1 - B + B length / TYPICAL_LENGTH)) to its entry,
  each word of a query ``query_share`` * rarity * tf (Robertson and Zaragoza, 2009), where rarity squared is the word's
  idf in general text over the largest that any could have;
- a finished encoding divides its documents' weights by the words' general idf and multiplies them by the idf in the
  collection (`collection_factors`), since a word that is rare elsewhere may be in every document.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pyserini_dupmae.modeling.heads import TYPICAL_LENGTH
from pyserini_dupmae.modeling.whole_words import WholeWords
from pyserini_dupmae.util.lazy import require

K1, B = 0.9, 0.4  # Anserini's

# Measured with a model that was trained without: at half and at twice of both Eq. 12 ranks much alike.
QUERY_SHARE, DOC_SHARE = 1.65, 6.6
PIECE_SHARE = 0.5

LEAST_RARITY = 1e-3
LARGEST_FACTOR = 20.0


class OwnWords(nn.Module):
    """What a text's own words add to its bag of words.

    A bag has |V| + W entries: the vocabulary's, and ``word_entries`` for whole words that the tokenizer splits.
    ``entries`` (|V|,) int64 is the entry of each token, the first one of its stem; ``rarity`` (|V| + W,) the square
    root of an entry's idf, as a share of the largest possible; ``query_share``, ``doc_share`` and ``piece_share`` are
    scalars. All but the entries are learned.
    """

    entries: Tensor
    rarity: nn.Parameter

    def __init__(self, vocab_size: int, word_entries: int):
        super().__init__()
        self.register_buffer("entries", torch.arange(vocab_size))
        self.rarity = nn.Parameter(torch.ones(vocab_size + word_entries))
        self.query_share = nn.Parameter(torch.tensor(QUERY_SHARE))
        self.doc_share = nn.Parameter(torch.tensor(DOC_SHARE))
        self.piece_share = nn.Parameter(torch.tensor(PIECE_SHARE))
        self.whole = WholeWords(vocab_size, word_entries)

    def forward(self, weights: Tensor, input_ids: Tensor, ordinary: Tensor, query: bool) -> Tensor:
        """``weights`` (B, |V|), none negative, with the entries joined and the own words added: (B, |V| + W), in
        float32 or wider.

        ``input_ids`` (B, L) are the texts' tokens, ``ordinary`` (B, L) bool says which of them count; ``query`` whether
        the texts are queries.
        """
        wide = weights.to(torch.promote_types(weights.dtype, torch.float32))
        wide = nn.functional.pad(wide, (0, self.whole.word_entries))
        words, inside = self.whole(input_ids, ordinary)
        pieces = ordinary.to(wide.dtype)
        if query:
            pieces = torch.where(inside, self.piece_share.to(wide.dtype), pieces)
        counts = torch.zeros_like(wide).scatter_add(1, self.entries[input_ids], pieces)
        counts = counts.scatter_add(1, words, (words > 0).to(wide.dtype))
        if query:
            own = self.query_share * counts
        else:
            length = ordinary.sum(dim=1, keepdim=True) / TYPICAL_LENGTH
            own = self.doc_share * counts / (counts + K1 * (1 - B + B * length))
        return self.join(wide) + own * self.rarity

    def join(self, weights: Tensor) -> Tensor:
        """``weights`` (B, |V| or more) with the largest of each entry's tokens in its place, and 0 in the others'."""
        others = (self.entries != torch.arange(len(self.entries), device=self.entries.device)).nonzero()[:, 0]
        joined = weights.index_fill(1, others, 0.0)
        return joined.scatter_reduce(1, self.entries[others].expand(len(weights), -1), weights[:, others], "amax")

    def document_frequencies(self, texts: Sequence[np.ndarray], special: Iterable[int] = ()) -> np.ndarray:
        """In how many of ``texts``, token ids each, every entry has a word: (|V| + W,) int64.

        ``special`` do not count.
        """
        size = len(self.rarity)
        if not texts:
            return np.zeros(size, np.int64)
        ids = torch.from_numpy(np.concatenate(texts).astype(np.int64)).to(self.entries.device)
        ordinary = ~torch.isin(ids, ids.new_tensor(list(special)))
        words = self.whole(ids[None], ordinary[None])[0][0]
        numbers = torch.from_numpy(np.repeat(np.arange(len(texts)), [len(text) for text in texts])).to(ids.device)
        places = torch.cat([(numbers * size + self.entries[ids])[ordinary], (numbers * size + words)[words > 0]])
        return torch.bincount(places.unique() % size, minlength=size).cpu().numpy()

    def general_idf(self) -> np.ndarray:
        """The idf of each entry in general text over the largest that any could have: (|V| + W,) float64, above 0."""
        return self.rarity.detach().double().cpu().numpy().clip(LEAST_RARITY) ** 2

    def set_stems(self, terms: Sequence[str]) -> None:
        """Let the vocabulary's ``terms`` that have one stem share an entry, and whole words with one.

        Raises:
            UserError: PyStemmer is not installed.
        """
        stemmer: Any = require("Stemmer", "words of one stem as one", "PyStemmer").Stemmer("english")
        entries = stem_entries(terms, stemmer)
        self.entries[: len(entries)] = torch.from_numpy(entries)
        self.whole.set_pieces(terms, stemmer)

    @torch.no_grad()
    def set_rarity(self, frequencies: np.ndarray, documents: int) -> None:
        """Take the rarity of a word from how many of so many ``documents`` have it, (|V| + W,) by entry."""
        self.rarity.copy_(torch.from_numpy(_idf_share(frequencies.astype(np.float64), documents)).sqrt())


def stem_entries(terms: Sequence[str], stemmer: Any) -> np.ndarray:
    """The entry of each of ``terms``, (n,) int64: the first with its stem; itself if it is no word."""
    first: dict[str, int] = {}
    entries = np.arange(len(terms))
    for place, term in enumerate(terms):
        if len(term) > 1 and term.isascii() and term.isalpha():
            entries[place] = first.setdefault(stemmer.stemWord(term), place)
    return entries


def collection_factors(frequencies: np.ndarray, documents: int, general: np.ndarray) -> np.ndarray:
    """What a document's weights are multiplied by, (n,) float32: each word's idf in the collection over its general.

    ``frequencies`` (n,) are in how many of the ``documents`` an entry has a word, ``general`` is `general_idf`. Both
    are shares of the largest possible idf, so that the size of a collection does not change the scale of its scores.
    """
    factors = _idf_share(frequencies, documents) / general
    return factors.clip(1 / LARGEST_FACTOR, LARGEST_FACTOR).astype(np.float32)


def _idf_share(frequencies: np.ndarray, documents: int) -> np.ndarray:
    """log(1 + (N - df + 0.5) / (df + 0.5)) over log(1 + N), float64: close to 1 for a word of few documents."""
    idf = np.log1p((documents - frequencies + 0.5) / (frequencies + 0.5))
    return idf / np.log1p(documents)
