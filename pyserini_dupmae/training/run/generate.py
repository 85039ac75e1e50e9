"""Write a small collection in a made-up language, and the shape of a model for it: nothing has to be downloaded.

    python -m pyserini_dupmae.training.run.generate --output DIR --seed 0

``DIR`` is a folder in BEIR's layout with the splits ``train`` and ``dev``, and beside those files has ``text.txt``, to
pre-train on, and ``model``: a WordPiece vocabulary of the language and the configuration of a small BERT, no weights.
"""

from __future__ import annotations

import argparse
import json
import string
from collections.abc import Iterable, Sequence
from pathlib import Path

from pyserini_dupmae.training.run.language import Document, Language
from pyserini_dupmae.util.command import positive_int, run_command
from pyserini_dupmae.util.files import atomic_path

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
HIDDEN_SIZE, LAYERS, HEADS, POSITIONS = 128, 2, 4, 64


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    result = argparse.ArgumentParser(
        prog="python -m pyserini_dupmae.training.run.generate",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = result.add_argument
    add("--output", type=Path, required=True, metavar="DIR", help="folder to write; replaced if it exists")
    add("--seed", type=int, default=0, help="of everything that is made up (default: 0)")
    add("--documents", type=positive_int, default=400, help="default: 400")
    add("--train-queries", type=positive_int, default=2000, help="default: 2000")
    add("--dev-queries", type=positive_int, default=100, help="default: 100")
    add("--passages", type=positive_int, default=2000, help="lines of text.txt (default: 2000)")
    return result


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command; raises `UserError`."""
    options = parser().parse_args(argv)
    language = Language.of_seed(options.seed)
    documents = {f"d{number}": language.document() for number in range(options.documents)}
    with atomic_path(options.output) as folder:
        (folder / "qrels").mkdir(parents=True)
        _write_jsonl(folder / "corpus.jsonl", ((docid, document.text) for docid, document in documents.items()))
        queries: list[tuple[str, str]] = []
        for split, count in (("train", options.train_queries), ("dev", options.dev_queries)):
            queries += _write_split(folder / "qrels" / f"{split}.tsv", split, count, language, documents)
        _write_jsonl(folder / "queries.jsonl", queries)
        text = "".join(language.passage() + "\n" for _ in range(options.passages))
        (folder / "text.txt").write_text(text, encoding="utf-8")
        _write_model(folder / "model", language)
    print(f"{options.output}: {len(documents)} documents, {len(queries)} queries")


def _write_split(
    path: Path, split: str, count: int, language: Language, documents: dict[str, Document]
) -> list[tuple[str, str]]:
    """Write the judgements of ``count`` queries: what answers a query are the documents about the same concepts."""
    queries, lines = [], ["query-id\tcorpus-id\tscore\n"]
    for number in range(count):
        asked_for = language.random.choice(list(documents.values()))
        queries.append((f"{split}{number}", language.query(asked_for)))
        for docid, document in documents.items():
            if (document.topic, document.concepts) == (asked_for.topic, asked_for.concepts):
                lines.append(f"{split}{number}\t{docid}\t1\n")
    path.write_text("".join(lines), encoding="utf-8")
    return queries


def _write_jsonl(path: Path, texts: Iterable[tuple[str, str]]) -> None:
    lines = [json.dumps({"_id": name, "text": text}) + "\n" for name, text in texts]
    path.write_text("".join(lines), encoding="utf-8")


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


if __name__ == "__main__":
    run_command(main)
