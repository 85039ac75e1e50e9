"""What tests of several rooms write: files of lines, collections in BEIR's layout, the shape of a small encoder; and
which words a tokenizer splits."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import Stemmer
from transformers import BertConfig

from pyserini_dupmae.modeling import DupMAEModel

RunCommand = Callable[..., subprocess.CompletedProcess[str]]
"""Runs a command of the package as a process; its words are the arguments."""

Grades = Mapping[str, Mapping[str, int]]
"""query id -> docid -> relevance."""


def write_lines(path: Path, lines: Iterable[str]) -> Path:
    """Write a text file and its folder; returns ``path``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def write_jsonl(path: Path, records: Iterable[Any]) -> Path:
    """Write a JSON value a line; bytes are a line as they are, for what is not JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [record if isinstance(record, bytes) else json.dumps(record).encode() for record in records]
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    return path


def write_beir(
    folder: Path, documents: Mapping[str, str | Mapping[str, str]], queries: Mapping[str, str], **qrels: Grades
) -> Path:
    """Write a collection in BEIR's layout; returns ``folder``.

    Args:
        documents: docid -> text, or the other fields of the document.
        queries: query id -> text.
        qrels: one argument a split: ``train={"q1": {"d3": 1}}``.
    """
    fields = {docid: {"text": text} if isinstance(text, str) else text for docid, text in documents.items()}
    write_jsonl(folder / "corpus.jsonl", [{"_id": docid, **fields[docid]} for docid in fields])
    write_jsonl(folder / "queries.jsonl", [{"_id": qid, "text": text} for qid, text in queries.items()])
    for split, grades in qrels.items():
        lines = [f"{qid}\t{docid}\t{grade}" for qid, judged in grades.items() for docid, grade in judged.items()]
        write_lines(folder / "qrels" / f"{split}.tsv", ["query-id\tcorpus-id\tscore", *lines])
    return folder


def tiny_bert(vocab_size: int, **changes: Any) -> BertConfig:
    """The configuration of an encoder with 2 layers of 32, but for ``changes``."""
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    return BertConfig(vocab_size=vocab_size, **{**sizes, "max_position_embeddings": 160, **changes})


def words_of(model: DupMAEModel, ids: Sequence[int]) -> list[tuple[list[int], int | None]]:
    """The tokens of each word of ``ids``, and the entry of mu of a word that the tokenizer splits."""
    stemmer, vocabulary = Stemmer.Stemmer("english"), model.tokenizer.get_vocab()
    endings: dict[str, int] = {}
    for token, number in sorted(vocabulary.items(), key=lambda item: item[1]):
        if token.startswith("##") and len(token) > 2:
            endings.setdefault(stemmer.stemWord("babak" + token[2:]), number)
    words: list[list[str]] = []
    for token in model.tokenizer.convert_ids_to_tokens(ids):
        if token.startswith("##") and len(token) > 2 and words:
            words[-1].append(token)
        else:
            words.append([token])
    found: list[tuple[list[int], int | None]] = []
    for tokens in words:
        pieces = [vocabulary[token] for token in tokens]
        parts = pieces[:]
        if len(parts) > 1:
            ending = stemmer.stemWord("babak" + tokens[-1][2:])
            parts[-1:] = [] if ending == "babak" else [endings[ending]]
        number = sum((part + 1) * 1_000_003**place for place, part in enumerate(parts)) % (2**31 - 1)
        entry = model.config.vocab_size + number % model.config.word_entries
        found.append((pieces, entry if len(parts) > 1 else None))
    return found
