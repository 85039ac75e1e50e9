"""A small collection in a made-up language with structure to learn, the same for the same seed; nothing is downloaded.

A topic has concepts, and each concept has two words that mean the same. Documents are about a few concepts of one topic
and mostly use the one word, queries ask for the same concepts and mostly use the other, so that matching words alone
finds little; which two words are one concept can be learnt from queries and their documents, and which words are of one
topic from text alone. Words that mean nothing stand between, the same ones in all topics.
"""

from __future__ import annotations

import string
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from pyserini_dupmae.data.beir import write_beir
from pyserini_dupmae.util.files import atomic_path, require_replaceable

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
HIDDEN_SIZE, LAYERS, HEADS, POSITIONS = 64, 2, 4, 64

CONSONANTS, VOWELS = "bdfgklmnprstvz", "aeiou"
TOPICS, CONCEPTS_OF_TOPIC, FILLERS = 8, 8, 24
CONCEPTS_OF_DOCUMENT = 4
OWN_WORD = 0.85
"""How often a document, or a query, uses the word that is its own."""


@dataclass(frozen=True)
class MadeUpDocument:
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

    def document(self) -> MadeUpDocument:
        """A document about four concepts of one topic, each of which it names once or twice."""
        topic = self.random.randrange(TOPICS)
        concepts = self.random.sample(range(CONCEPTS_OF_TOPIC), CONCEPTS_OF_DOCUMENT)
        named = [concept for concept in concepts for _ in range(self.random.choice((1, 2)))]
        self.random.shuffle(named)
        words = []
        for concept in named:
            words += [self._filler(), self._word(topic, concept, of_query=self.random.random() > OWN_WORD)]
        return MadeUpDocument(topic, frozenset(concepts), " ".join(words) + ".")

    def query(self, document: MadeUpDocument) -> str:
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


def generate(
    output: Path,
    *,
    seed: int = 0,
    documents: int = 400,
    train_queries: int = 2000,
    dev_queries: int = 100,
    passages: int = 2000,
) -> tuple[int, int]:
    """Write a collection, text to pre-train on, and the shape of a model for both.

    Args:
        output: gets a folder in BEIR's layout with the splits ``train`` and ``dev``, ``text.txt`` and ``model``: a
            WordPiece vocabulary of the language and the configuration of a small BERT, no weights. What is there is
            replaced.
        passages: lines of ``text.txt``.

    What answers a query are the documents about the same concepts.

    Returns:
        How many documents and queries were written.
    """
    require_replaceable(output, lambda there: (there / "text.txt").exists() and (there / "model").is_dir())
    language = Language.of_seed(seed)
    written = {f"d{number}": language.document() for number in range(documents)}
    counts = {"train": train_queries, "dev": dev_queries}
    with atomic_path(output) as folder, write_beir(folder, list(counts)) as collection:
        for docid, document in written.items():
            collection.document(docid, document.text)
        for split, count in counts.items():
            for number in range(count):
                asked_for = language.random.choice(list(written.values()))
                collection.query(f"{split}{number}", language.query(asked_for))
                for docid, document in written.items():
                    if (document.topic, document.concepts) == (asked_for.topic, asked_for.concepts):
                        collection.judgement(split, f"{split}{number}", docid)
        text = "".join(language.passage() + "\n" for _ in range(passages))
        (folder / "text.txt").write_text(text, encoding="utf-8")
        _write_model(folder / "model", language)
    return documents, sum(counts.values())


def _write_model(folder: Path, language: Language) -> None:
    from transformers import BertConfig, BertTokenizer

    pieces = [*string.ascii_lowercase, *(f"##{letter}" for letter in string.ascii_lowercase)]
    tokens = [*SPECIAL_TOKENS, ".", *pieces, *language.vocabulary]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    BertTokenizer(vocab=vocabulary, model_max_length=POSITIONS).save_pretrained(folder)
    BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=HIDDEN_SIZE,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        intermediate_size=4 * HIDDEN_SIZE,
        max_position_embeddings=POSITIONS,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        architectures=["BertForMaskedLM"],
    ).save_pretrained(folder)
