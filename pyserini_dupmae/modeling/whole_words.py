"""Whole words that a WordPiece tokenizer splits: each has an entry of its own beyond the vocabulary's, found by a hash.

"thermoplastics" is thermo ##pl ##astic ##s: its pieces say little, and match where the word does not occur. With the
entry, the word itself is matched, in any collection and without a list of its words. Words may share an entry; with
32,768 of them most that do are rare. The last piece counts by its stem, so that "thermoplastic" is the same word.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

CONTINUES = "##"
PRIME, FACTOR, LONGEST = 2**31 - 1, 1_000_003, 128
POWERS = torch.tensor([pow(FACTOR, place, PRIME) for place in range(LONGEST)])
BEFORE = "babak"
"""Stands for what precedes a last piece: long enough that an ending is taken for one."""


def is_inner_piece(token: str) -> bool:
    """Whether a token of a WordPiece vocabulary continues a word."""
    return token.startswith(CONTINUES) and len(token) > len(CONTINUES)


class WholeWords(nn.Module):
    """Finds whole words in token ids.

    ``continues`` (|V|,) bool says which tokens continue a word; ``finals`` (|V|,) int64 which token stands for one that
    ends a word, the first one with its stem, or -1 for an ending that has no part in the stem.
    """

    continues: Tensor
    finals: Tensor

    def __init__(self, vocab_size: int, word_entries: int):
        super().__init__()
        self.vocab_size, self.word_entries = vocab_size, word_entries
        self.register_buffer("continues", torch.zeros(vocab_size, dtype=torch.bool))
        self.register_buffer("finals", torch.arange(vocab_size))

    def forward(self, input_ids: Tensor, ordinary: Tensor) -> tuple[Tensor, Tensor]:
        """The entry of the split word that begins at each position, (B, L) int64, 0 where none begins; and which
        positions are pieces of such a word, (B, L) bool. ``input_ids`` (B, L); ``ordinary`` (B, L) bool: those that
        count.

        Without entries for words there are none. A word whose stem is one piece is that piece, and has no other entry.
        """
        nothing = torch.zeros_like(input_ids)
        if not self.word_entries:
            return nothing, nothing.bool()
        before = nn.functional.pad(ordinary, (1, -1), value=False)
        goes_on = self.continues[input_ids] & ordinary & before
        last = goes_on & ~nn.functional.pad(goes_on, (-1, 1), value=False)
        piece = torch.where(last, self.finals[input_ids], input_ids)
        counts = ordinary & (piece >= 0)
        places = torch.arange(input_ids.shape[1], device=input_ids.device).expand_as(input_ids)
        start = torch.where(goes_on, 0, places).cummax(dim=1).values
        powers = POWERS.to(input_ids.device)[(places - start).clamp_max(LONGEST - 1)]
        hashes = nothing.scatter_add(1, start, torch.where(counts, (piece + 1) * powers % PRIME, 0)) % PRIME
        pieces = nothing.scatter_add(1, start, counts.long())
        entries = torch.where(pieces > 1, self.vocab_size + hashes % self.word_entries, 0)
        return entries, (entries > 0).gather(1, start) & ordinary

    def spelled(self, input_ids: Tensor, ordinary: Tensor, tokenizer: Any) -> list[dict[int, str]]:
        """Of each of some texts, (B, L) as in `forward`, the words that have entries, by their entries."""
        found: list[dict[int, str]] = [{} for _ in range(len(input_ids))]
        entries, _ = self(input_ids, ordinary)
        goes_on = self.continues[input_ids] & ordinary
        for row, start in entries.nonzero().tolist():
            length = 1 + int(goes_on[row, start + 1 :].long().cumprod(0).sum())
            pieces = tokenizer.convert_ids_to_tokens(input_ids[row, start : start + length])
            found[row][int(entries[row, start])] = "".join(piece.removeprefix(CONTINUES) for piece in pieces)
        return found

    def set_pieces(self, terms: Sequence[str], stemmer: Any) -> None:
        """Take from the vocabulary's ``terms`` which continue a word, and their stems by a PyStemmer ``stemmer``."""
        first: dict[str, int] = {}
        for place, term in enumerate(terms):
            if not is_inner_piece(term):
                continue
            self.continues[place] = True
            stem = stemmer.stemWord(BEFORE + term.removeprefix(CONTINUES))
            ending = stem.removeprefix(BEFORE)
            self.finals[place] = first.setdefault(ending, place) if len(stem) > len(BEFORE) else -1
