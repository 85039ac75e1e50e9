"""Peak memory of encoding to the store: 1,000,000 short documents beside 50,000, with a tiny model.

Each is a whole command; the peak is that of its process's resident set. The documents are runs of six words of the
standard library's docstrings, the model has random weights.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from itertools import cycle, islice
from pathlib import Path

from transformers import BertConfig, BertTokenizer

from pyserini_dupmae.demo import docstrings
from pyserini_dupmae.modeling import DupMAEConfig, DupMAEModel
from pyserini_dupmae.util.command import run_command

WORDS_A_DOCUMENT = 6
VOCABULARY = 1000


def make_model(folder: Path, words: list[str]) -> None:
    """A model of one layer of 32 whose vocabulary is the most frequent of ``words``."""
    tokens = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        *(word for word, _ in Counter(words).most_common(VOCABULARY)),
    ]
    tokenizer = BertTokenizer(vocab={token: i for i, token in enumerate(tokens)})
    encoder = BertConfig(
        vocab_size=len(tokens),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=32,
    )
    config = DupMAEConfig(encoder, cls_dim=16, top_k=16, doc_max_length=32, cls_token_id=2, sep_token_id=3)
    DupMAEModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def make_corpus(path: Path, words: list[str], documents: int) -> None:
    """``documents`` many, each of the next words; a million are 70 MB."""
    stream = cycle(words)
    with open(path, "w", encoding="utf-8") as file:
        for i in range(documents):
            text = " ".join(islice(stream, WORDS_A_DOCUMENT))
            file.write(json.dumps({"id": f"doc{i}", "contents": text}) + "\n")


def peak_memory(command: list[str]) -> int:
    """The peak resident set of ``python -m command``, in bytes."""
    process = subprocess.Popen([sys.executable, "-m", *command], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        raise RuntimeError(f"{command} failed")
    return usage.ru_maxrss * 1024


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--documents", type=int, nargs="+", default=[50_000, 1_000_000])
    args = parser.parse_args()
    words = re.findall(r"[a-z]+", " ".join(docstrings.build(queries=0).documents.values()).lower())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_model(folder / "model", words)
        peaks = []
        for documents in args.documents:
            corpus = folder / f"{documents}.jsonl"
            make_corpus(corpus, words, documents)
            command = ["pyserini_dupmae.encode", "input", "--corpus", str(corpus)]
            command += ["output", "--index", str(folder / str(documents)), "--store-only"]
            command += ["encoder", "--encoder", str(folder / "model"), "--batch-size", "256", "--device", "cpu"]
            peaks.append(peak_memory(command))
    print("| documents | peak memory | times |\n|---|---|---|")
    for documents, peak in zip(args.documents, peaks, strict=True):
        print(f"| {documents:,} | {peak / 1e6:.0f} MB | {peak / peaks[0]:.2f} |")


if __name__ == "__main__":
    run_command(main)
