"""The generated collection: the same for a seed, judged right, and not to be searched by words alone."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from transformers import AutoConfig, AutoTokenizer

from pyserini_dupmae.data.qrels import read_qrels
from pyserini_dupmae.experiments.made_up import Language, generate
from pyserini_dupmae.util.digests import digest


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return generated(tmp_path_factory.mktemp("language") / "data", seed=0)


def generated(folder: Path, seed: int) -> Path:
    assert generate(folder, seed=seed) == (400, 2100)
    return folder


def texts(path: Path) -> dict[str, list[str]]:
    rows = map(json.loads, path.read_text().splitlines())
    return {row["_id"]: row["text"].rstrip(".").split() for row in rows}


def test_equal_seeds_give_equal_files(folder: Path, tmp_path: Path) -> None:
    assert digest(generated(tmp_path / "again", seed=0)) == digest(folder)
    assert digest(generated(tmp_path / "other", seed=1))["corpus.jsonl"] != digest(folder)["corpus.jsonl"]


@pytest.mark.parametrize("split", ["train", "dev"])
def test_an_answer_is_about_what_is_asked_for(folder: Path, split: str) -> None:
    """Judged anew from the texts: the concept of each word, whichever of its two words it is."""
    language = Language.of_seed(0)
    concepts = {word: (t, c) for t, topic in enumerate(language.words) for c, pair in enumerate(topic) for word in pair}
    documents, queries = texts(folder / "corpus.jsonl"), texts(folder / "queries.jsonl")
    about = {docid: {concepts[word] for word in words if word in concepts} for docid, words in documents.items()}
    qrels = read_qrels(folder / "qrels" / f"{split}.tsv")
    assert qrels.keys() == {qid for qid in queries if qid.startswith(split)}
    for qid, judged in list(qrels.items())[:100]:
        asked = {concepts[word] for word in queries[qid] if word in concepts}
        assert len(asked) == 4
        assert judged.keys() == {docid for docid in about if about[docid] == asked}


def test_matching_words_finds_little(folder: Path) -> None:
    """The reciprocal rank of the first answer, when documents are ranked by the words they share with the query."""
    documents, queries = texts(folder / "corpus.jsonl"), texts(folder / "queries.jsonl")
    counts = Counter(word for words in documents.values() for word in set(words))
    total = 0.0
    qrels = read_qrels(folder / "qrels" / "dev.tsv")
    for qid, judged in qrels.items():
        score = {docid: sum(1 / counts[w] for w in set(queries[qid]) & set(documents[docid])) for docid in documents}
        ranked = sorted(documents, key=lambda docid: -score[docid])[:10]
        total += next((1 / rank for rank, docid in enumerate(ranked, 1) if docid in judged), 0.0)
    assert total / len(qrels) < 0.3


def test_the_vocabulary_has_every_word(folder: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(folder / "model")
    words = [
        word for name in ("corpus.jsonl", "queries.jsonl") for text in texts(folder / name).values() for word in text
    ]
    tokens = set(tokenizer.tokenize((folder / "text.txt").read_text() + " ".join(words)))
    assert tokens == {*Language.of_seed(0).vocabulary, "."}
    assert AutoConfig.from_pretrained(folder / "model").vocab_size == len(tokenizer)
