"""Queries of many kinds from plain text: the pair says what is relevant to them, so nobody has to have asked them.

Every function draws from a `random.Random` and returns None where the text does not give such a query.
"""

from __future__ import annotations

import re
from random import Random
from typing import NamedTuple

from pyserini_dupmae.training.pair.bm25 import STOP_WORDS

SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z\"(])")
TERM = re.compile(r"[A-Za-z][A-Za-z\-]{2,}")

# What people put around what they look for. The teacher sees only what stands in the braces.
REQUESTS = (
    "What papers are there on {}?",
    "I am looking for information about {}.",
    "articles about {}",
    "Find studies that discuss {}",
    "what is known about {}",
    "Please tell me more about {}",
    "I would like to read about {}",
    "documents dealing with {}",
    "research on {}",
    "How does one explain {}?",
    "Any material concerning {} is relevant.",
    "texts describing {}",
    "What has been written on the subject of {}?",
    "I need something on {}",
    "recent work on {}",
    "Give an overview of {}",
)


class Query(NamedTuple):
    """``text`` is what the model reads, ``asked`` what the teacher reads, ``positives`` passages known as relevant."""

    text: str
    asked: str
    source: int
    positives: tuple[int, ...]
    kind: str


def request(text: str, random: Random) -> str:
    """``text`` as part of a request."""
    lower = text[0].lower() + text[1:] if not text[:2].isupper() else text
    return random.choice(REQUESTS).format(lower.rstrip(".?"))


def keywords(text: str, random: Random) -> str | None:
    """Two to seven content words that stand near each other, in any order."""
    terms = [word for word in TERM.findall(text) if word.lower() not in STOP_WORDS]
    if len(terms) < 4:
        return None
    place = random.randrange(len(terms))
    near = terms[max(0, place - 8) : place + 8]
    random.shuffle(near)
    return " ".join(near[: random.randint(2, 7)])


def crop(text: str, random: Random, longest: int = 22) -> str | None:
    """A stretch of 5 to ``longest`` words, in two of five cases with every seventh word or so left out."""
    words = text.split()
    length = random.randint(5, longest)
    if len(words) < length:
        return None
    start = random.randrange(len(words) - length + 1)
    words = words[start : start + length]
    if random.random() < 0.4:
        words = [word for word in words if random.random() > 0.15]
    return " ".join(words).strip(" ,.;:()") or None


def sentence(text: str, random: Random, first: bool = False) -> str | None:
    """One of the sentences of 6 to 35 words; the first of them, or any."""
    found = [part for part in SENTENCE_END.split(text) if 6 <= len(part.split()) <= 35]
    if not found:
        return None
    return found[0] if first else random.choice(found)


KINDS = ("title", "first sentence", "sentence", "keywords", "crop", "request")


def made_query(kind: str, title: str, text: str, rest: str, random: Random) -> tuple[str, str] | None:
    """A query of ``kind`` (one of `KINDS`) for a passage: what the model reads and what the teacher does.

    ``text`` is the passage and ``rest`` what follows it in its document. Sentences, keywords and crops come from the
    rest in seven of ten cases, where it has 30 words: then matching words alone does not find the passage.
    """
    source = rest if len(rest.split()) > 30 and random.random() < 0.7 else text
    if kind == "request":
        asked = title if title and random.random() < 0.5 else sentence(source, random) or title
        return (request(asked, random), asked) if asked else None
    made = {
        "title": lambda: title or None,
        "first sentence": lambda: sentence(text, random, first=True),
        "sentence": lambda: sentence(source, random),
        "keywords": lambda: keywords(source, random),
        "crop": lambda: crop(source, random),
    }[kind]()
    return None if made is None else (made, made)
