"""A corpus as token ids in flat files, tokenised once, cached by content, memory-mapped; and its segments as a dataset.

A cache folder holds ``tokens.bin`` (ids, uint16 or uint32), ``starts.bin`` (bool, where a word begins), ``ends.bin``
(int64, where each segment ends), ``documents.bin`` (int64, the document each segment is from) and ``tokens.json``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
from torch.utils.data import Dataset

from pyserini_dupmae.training.pretrain.collator import Text
from pyserini_dupmae.training.pretrain.settings import PACKINGS
from pyserini_dupmae.training.pretrain.sources import fingerprint, read_texts
from pyserini_dupmae.util.cache import build_once
from pyserini_dupmae.util.errors import UserError
from pyserini_dupmae.util.files import write_json
from pyserini_dupmae.util.json_text import read_json
from pyserini_dupmae.util.log import logger

DESCRIPTION = "tokens.json"
FORMAT = 1
TEXTS_AT_A_TIME = 1000
RECORDS_LOOKED_AT = 1000
SHORT = 0.25
"""``auto`` packs a source whose median record fills at most this share of a segment: a sentence does, a passage not."""
SPECIAL_TOKENS = 2  # [CLS] and [SEP], which are added to each segment when it is used


@dataclass(frozen=True)
class PretrainingCorpus:
    """What is tokenised: sources, the fields of their records, and how documents are cut.

    ``max_length`` counts special tokens. Segments of fewer than ``min_tokens`` tokens are left out. ``pack``, one of
    `PACKINGS`, says whether records that follow each other share a segment where they fit into one.
    """

    sources: tuple[str, ...]
    max_length: int
    min_tokens: int
    fields: tuple[str, ...] = ()
    pack: str = "never"

    def __post_init__(self) -> None:
        if self.pack not in PACKINGS:
            raise UserError(f"pack must be one of {', '.join(PACKINGS)}, got {self.pack!r}")

    def key(self, tokenizer: Any) -> str:
        """A hash of everything that decides the token files, among it the content of the sources."""
        described = asdict(self) | {"sources": [fingerprint(source) for source in self.sources], "format": FORMAT}
        if self.pack == "never":  # such files are found again that were written before there was a choice
            del described["pack"]
        described["tokenizer"] = hashlib.sha256(tokenizer.backend_tokenizer.to_str().encode()).hexdigest()
        return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()[:16]


class TokenFiles:
    """The segments of a tokenised corpus, memory-mapped."""

    def __init__(self, folder: Path):
        described = read_json(folder / DESCRIPTION)
        self.vocab_size: int = described["vocab_size"]
        self._tokens = np.memmap(folder / "tokens.bin", _token_dtype(self.vocab_size), "r")
        self._starts = np.memmap(folder / "starts.bin", bool, "r")
        self.ends = np.fromfile(folder / "ends.bin", np.int64)
        self.documents = np.fromfile(folder / "documents.bin", np.int64)

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """Segment ``number``: its token ids (n,) and where words begin (n,) bool."""
        part = slice(self.ends[number - 1] if number else 0, self.ends[number])
        return self._tokens[part], self._starts[part]

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each segment, (S,) int64."""
        return np.diff(self.ends, prepend=0)


class Segments(Dataset):
    """Some segments of a corpus. Key ``epoch * len + index`` is segment ``index`` as it is masked in ``epoch``."""

    def __init__(self, files: TokenFiles, numbers: np.ndarray):
        self.files = files
        self.numbers = numbers

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, key: int) -> Text:
        epoch, index = divmod(key, len(self))
        number = int(self.numbers[index])
        return Text(number, epoch, *self.files[number])

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each segment, (len,) int64."""
        return self.files.lengths[self.numbers]


def hold_out(files: TokenFiles, documents: int, seed: int) -> tuple[Segments, Segments | None]:
    """Segments to train on and to evaluate on: those of ``documents`` random documents, never more than one in ten.

    The split is by document, since segments of one document resemble each other. None when nothing is held out.
    """
    known = np.unique(files.documents)
    held = np.random.default_rng(seed).permutation(known)[: min(documents, len(known) // 10)]
    is_held = np.isin(files.documents, held)
    numbers = np.arange(len(files))
    return Segments(files, numbers[~is_held]), Segments(files, numbers[is_held]) if is_held.any() else None


def tokenise(corpus: PretrainingCorpus, tokenizer: Any, vocab_size: int, cache: Path) -> TokenFiles:
    """The tokens of ``corpus``, from the folder ``cache`` when they are there, else written there.

    Raises:
        UserError: a source cannot be read, nothing is left to train on, or the tokenizer cannot tell words apart.
    """
    if not getattr(tokenizer, "is_fast", False):
        raise UserError(
            "the tokenizer is a slow one, which cannot tell where words begin; give a model with a fast one"
        )
    folder = cache / corpus.key(tokenizer)
    if folder.exists():
        logger.info("tokens of %s found in %s", ", ".join(corpus.sources), folder)
    return TokenFiles(build_once(folder, lambda to: _write(corpus, tokenizer, vocab_size, to)))


def _write(corpus: PretrainingCorpus, tokenizer: Any, vocab_size: int, folder: Path) -> None:
    counts = {"documents": 0, "segments": 0, "tokens": 0, "left_out": 0, "vocab_size": vocab_size}
    with ExitStack() as stack:
        names = ("tokens", "starts", "ends", "documents")
        tokens, starts, ends, documents = (stack.enter_context(open(folder / f"{name}.bin", "wb")) for name in names)
        limit = corpus.max_length - SPECIAL_TOKENS
        for ids, begins, records in chain.from_iterable(
            _records(source, corpus, tokenizer) for source in corpus.sources
        ):
            for first, last in cut(begins, limit):
                if last - first < corpus.min_tokens:
                    counts["left_out"] += 1
                    continue
                counts["tokens"] += last - first
                counts["segments"] += 1
                tokens.write(ids[first:last].astype(_token_dtype(vocab_size)).tobytes())
                starts.write(begins[first:last].tobytes())
                ends.write(np.int64(counts["tokens"]).tobytes())
                documents.write(np.int64(counts["documents"]).tobytes())
            counts["documents"] += records
    if not counts["segments"]:
        raise UserError(
            f"nothing to train on in {', '.join(corpus.sources)}: {counts['documents']} texts, no segment "
            f"of at least {corpus.min_tokens} tokens (--min-tokens)"
        )
    logger.info(
        "%(documents)d documents: %(segments)d segments, %(tokens)d tokens; %(left_out)d segments too short, left out",
        counts,
    )
    write_json(folder / DESCRIPTION, counts)


def _records(source: str, corpus: PretrainingCorpus, tokenizer: Any) -> Iterator[tuple[np.ndarray, np.ndarray, int]]:
    """Token ids and word starts of each text of ``source``, or of several that are packed, and how many they are."""
    texts = _encode(read_texts(source, corpus.fields), tokenizer)
    limit = corpus.max_length - SPECIAL_TOKENS
    packs = corpus.pack == "always"
    if corpus.pack == "auto":
        looked_at = list(islice(texts, RECORDS_LOOKED_AT))
        texts = chain(looked_at, texts)
        packs = bool(looked_at) and float(np.median([len(ids) for ids, _ in looked_at])) <= SHORT * limit
        logger.info("%s: records are %s", source, "short and are packed" if packs else "not packed")
    return packed(texts, limit) if packs else ((ids, begins, 1) for ids, begins in texts)


def packed(texts: Iterable[tuple[np.ndarray, np.ndarray]], limit: int) -> Iterator[tuple[np.ndarray, np.ndarray, int]]:
    """``texts`` one after another, as many together as have at most ``limit`` tokens, and how many these are.

    A text is never divided to fill up another; one that is longer than ``limit`` stays alone.

    >>> texts = [(np.arange(n), np.ones(n, bool)) for n in (3, 4, 2, 20, 1)]
    >>> [(len(ids), count) for ids, _, count in packed(texts, 8)]
    [(7, 2), (2, 1), (20, 1), (1, 1)]
    """
    group: list[tuple[np.ndarray, np.ndarray]] = []
    length = 0

    def joined() -> tuple[np.ndarray, np.ndarray, int]:
        return np.concatenate([ids for ids, _ in group]), np.concatenate([begins for _, begins in group]), len(group)

    for text in texts:
        if group and length + len(text[0]) > limit:
            yield joined()
            group, length = [], 0
        group.append(text)
        length += len(text[0])
    if group:
        yield joined()


def _encode(texts: Iterator[str], tokenizer: Any) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Token ids and word starts of each text that has tokens."""
    while group := list(islice(texts, TEXTS_AT_A_TIME)):
        encoded = tokenizer(group, add_special_tokens=False, return_attention_mask=False, verbose=False)
        for encoding in encoded.encodings:
            words = np.array(encoding.word_ids, dtype=float)  # a token outside any word is nan, which differs from all
            if len(words):
                yield np.array(encoding.ids), np.diff(words, prepend=np.nan) != 0


def cut(starts: np.ndarray, limit: int) -> list[tuple[int, int]]:
    """Cut a document whose words begin at ``starts`` (n,) bool into segments (first, last) of at most ``limit`` tokens.

    Segments are about equal, and end where a word ends unless a word is longer than a segment.
    """
    total = len(starts)
    words = np.flatnonzero(starts)
    segments, first = [], 0
    while total - first > limit:
        pieces = -(-(total - first) // limit)
        aim = first + -(-(total - first) // pieces)
        boundary = words[np.searchsorted(words, aim, side="right") - 1]
        last = int(boundary) if boundary > first else aim
        segments.append((first, last))
        first = last
    return [*segments, (first, total)]


def _token_dtype(vocab_size: int) -> Any:
    return np.uint16 if vocab_size <= 1 << 16 else np.uint32
