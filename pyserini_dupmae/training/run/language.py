"""A small language with structure to learn, the same for the same seed.

A topic has concepts, and each concept has two words that mean the same. Documents are about a few concepts of one topic
and mostly use the one word, queries ask for the same concepts and mostly use the other, so that matching words alone
finds little; which two words are one concept can be learnt from queries and their documents, and which words are of one
topic from text alone. Words that mean nothing stand between, the same ones in all topics.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

CONSONANTS, VOWELS = "bdfgklmnprstvz", "aeiou"
TOPICS, CONCEPTS_OF_TOPIC, FILLERS = 8, 8, 24
CONCEPTS_OF_DOCUMENT = 4
OWN_WORD = 0.85
"""How often a document, or a query, uses the word that is its own."""


@dataclass(frozen=True)
class Document:
    """``concepts`` are numbers of concepts of the topic ``topic``."""

    topic: int
    concepts: frozenset[int]
    text: str


@dataclass
class Language:
    """The words, and what is written with them.

    Attributes:
        words: [topic][concept] -> the word of documents and the word of queries.
        fillers: words without meaning.
    """

    random: Random
    words: list[list[tuple[str, str]]] = field(default_factory=list)
    fillers: list[str] = field(default_factory=list)

    @classmethod
    def of_seed(cls, seed: int) -> Language:
        """Make up the words."""
        random = Random(seed)
        made: dict[str, None] = {}  # a set in the order in which they were made
        while len(made) < 2 * TOPICS * CONCEPTS_OF_TOPIC + FILLERS:
            syllables = (random.choice(CONSONANTS) + random.choice(VOWELS) for _ in range(random.choice((2, 3))))
            made["".join(syllables)] = None
        word = iter(made)
        words = [[(next(word), next(word)) for _ in range(CONCEPTS_OF_TOPIC)] for _ in range(TOPICS)]
        return cls(random, words, list(word))

    @property
    def vocabulary(self) -> list[str]:
        """Every word, in the order of the alphabet."""
        return sorted([*self.fillers, *(word for topic in self.words for pair in topic for word in pair)])

    def document(self) -> Document:
        """A document about four concepts of one topic, each of which it names once or twice."""
        topic = self.random.randrange(TOPICS)
        concepts = self.random.sample(range(CONCEPTS_OF_TOPIC), CONCEPTS_OF_DOCUMENT)
        named = [concept for concept in concepts for _ in range(self.random.choice((1, 2)))]
        self.random.shuffle(named)
        words = []
        for concept in named:
            words += [self._filler(), self._word(topic, concept, of_query=self.random.random() > OWN_WORD)]
        return Document(topic, frozenset(concepts), " ".join(words) + ".")

    def query(self, document: Document) -> str:
        """A query for what ``document`` is about."""
        concepts = self.random.sample(sorted(document.concepts), CONCEPTS_OF_DOCUMENT)
        words = [self._word(document.topic, one, of_query=self.random.random() < OWN_WORD) for one in concepts]
        return " ".join([self._filler(), *words])

    def passage(self) -> str:
        """A text to pre-train on, which names four concepts twice; either word is as likely."""
        topic = self.random.randrange(TOPICS)
        concepts = self.random.sample(range(CONCEPTS_OF_TOPIC), CONCEPTS_OF_DOCUMENT)
        words = [self._word(topic, one, of_query=self.random.random() < 0.5) for one in (*concepts, *concepts)]
        return " ".join(f"{self._filler()} {word}" for word in words) + "."

    def _word(self, topic: int, concept: int, of_query: bool) -> str:
        return self.words[topic][concept][of_query]

    def _filler(self) -> str:
        return self.random.choice(self.fillers)
