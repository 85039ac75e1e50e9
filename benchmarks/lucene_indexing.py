"""Writing the Lucene impact index: ours beside ``pyserini.index.lucene`` with JsonVectorCollection.

Both index the same documents with the same 8-bit weights, one after the other, as whole commands: ours from a forward
store, Anserini with two threads from the jsonl of that store in several files. The time between a command's own first
and last message about indexing is stated too, and both indexes must hold the same number of postings and weights.

Without ``--index`` the store is made of Python's own documentation: each document is a run of neighbouring
docstrings with 384 different words, weighted by log(1 + tf) * idf.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from datetime import datetime
from pathlib import Path
from statistics import median

import numpy as np

from pyserini_dupmae.demo import docstrings
from pyserini_dupmae.index.build import index
from pyserini_dupmae.jvm import find_java, java_class
from pyserini_dupmae.modeling.identity import ModelIdentity, vocabulary_hash
from pyserini_dupmae.store import StoreInfo, write_shard
from pyserini_dupmae.util.command import run_command

TOP_K = 384
CLS_DIM = 8
SHARD = 4096


def make_store(folder: Path, documents: int) -> None:
    """A store of ``documents`` documents of 384 weights each, from the docstrings of the standard library."""
    texts = [re.findall(r"[a-z]+", text.lower()) for text in docstrings.build(queries=0).documents.values()]
    frequency = Counter(word for words in texts for word in set(words))
    terms = sorted(frequency)
    ids = {term: number for number, term in enumerate(terms)}
    idf = {term: float(np.log(len(texts) / count)) for term, count in frequency.items()}
    shards, max_weight = [], 0.0
    for start in range(0, documents, SHARD):
        rows = range(start, min(start + SHARD, documents))
        token_ids, weights = np.zeros((len(rows), TOP_K), np.int64), np.zeros((len(rows), TOP_K), np.float32)
        for i, row in enumerate(rows):
            tf: Counter[str] = Counter()
            position = row
            while len(tf) < TOP_K:
                tf.update(texts[position % len(texts)])
                position += 1
            found = sorted(((np.log1p(count) * idf[word], ids[word]) for word, count in tf.items()), reverse=True)
            weights[i], token_ids[i] = zip(*found[:TOP_K], strict=True)
        shards.append(f"shard-{len(shards):06d}.safetensors")
        docids, cls = [f"doc{row}" for row in rows], np.zeros((len(rows), CLS_DIM), np.float32)
        write_shard(folder / shards[-1], docids, cls, token_ids, weights, len(terms))
        max_weight = max(max_weight, float(weights.max()))
    (folder / "terms.json").write_text(json.dumps(terms), encoding="utf-8")
    identity = ModelIdentity("docstrings", "", vocabulary_hash(terms), len(terms), CLS_DIM, TOP_K, "linear", "relu")
    StoreInfo(identity, documents, TOP_K, max_weight, shards).write(folder)


def run(command: list[str]) -> tuple[float, float, str]:
    """Seconds, seconds of processor time, and output of ``python -m command``."""
    started, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    finished = subprocess.run([sys.executable, "-m", *command], capture_output=True, text=True, check=False)
    seconds, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    if finished.returncode != 0:
        raise RuntimeError(f"{command} failed:\n{finished.stdout}{finished.stderr}")
    return seconds, processor, finished.stdout + finished.stderr


def ours(embeddings: Path, output: Path) -> tuple[float, float, float]:
    command = ["pyserini_dupmae.index", "--index", str(embeddings), "--output", str(output)]
    seconds, processor, log = run([*command, "--to-lucene", "--overwrite"])
    return seconds, processor, float(re.search(r"documents in ([\d.]+) s", log).group(1))


def pyserinis(jsonl: Path, index: Path) -> tuple[float, float, float]:
    command = [
        "pyserini.index.lucene",
        "--collection",
        "JsonVectorCollection",
        "--input",
        str(jsonl),
        "--index",
        str(index),
    ]
    command += ["--generator", "DefaultLuceneDocumentGenerator", "--threads", "2", "--impact", "--pretokenized"]
    seconds, processor, log = run(command)
    moment = r"^(\S+ \S+) INFO.*"
    begin, end = (
        datetime.strptime(re.search(moment + text, log, re.MULTILINE).group(1), "%Y-%m-%d %H:%M:%S,%f")
        for text in ("Starting to index", "Indexing Complete")
    )
    return seconds, processor, (end - begin).total_seconds()


def totals(index: Path) -> tuple[int, int]:
    """Postings, and the sum of their weights."""
    path = java_class("java.nio.file.Paths").get(str(index))
    directory = java_class("org.apache.lucene.store.FSDirectory").open(path)
    reader = java_class("org.apache.lucene.index.DirectoryReader").open(directory)
    return reader.getSumDocFreq("contents"), reader.getSumTotalTermFreq("contents")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--index", type=Path, help="a folder with a store, instead of one made of docstrings")
    parser.add_argument("--documents", type=int, default=16384, help="how many to make (default: 16384)")
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each, of which the median is printed")
    args = parser.parse_args()
    # Pyserini passes the option of the Vector module to every Java, and needs a JAVA_HOME.
    os.environ["JAVA_HOME"] = str(find_java().home)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        embeddings = args.index or folder
        if args.index is None:
            make_store(folder / "store", args.documents)
        index(embeddings, to="jsonl", output=folder)
        times = {"ours": [], "Pyserini": []}
        for number in range(args.rounds):
            times["ours"].append(ours(embeddings, folder / "ours"))
            times["Pyserini"].append(pyserinis(folder / "jsonl" / "sparse", folder / f"pyserini{number}"))
        postings, weight = totals(folder / "ours" / "lucene")
        assert (postings, weight) == totals(folder / "pyserini0"), "the two indexes differ"
        documents = StoreInfo.read(embeddings / "store").documents
    print(f"{documents} documents, {postings} postings, mean weight {weight / postings:.1f}")
    for column, what in enumerate(("whole command", "its processor time", "indexing alone")):
        mine, theirs = (median(row[column] for row in times[name]) for name in times)
        print(f"{what}: ours {mine:.2f} s, Pyserini {theirs:.2f} s, ratio {theirs / mine:.1f}")


if __name__ == "__main__":
    run_command(main)
