"""Stores of any size, made from the encoding of a small real collection.

    python benchmarks/generated.py --index OUT --output DIR --documents 500000

A document of ``DIR/store`` is mixed from three random ones of OUT: its [CLS] is their weighted mean at the length of
the first, its bag of words the largest entries of their weighted sum, all of it with a little noise. So lengths, the
distribution of terms, and how near the nearest documents are, stay like those of real text. Memory: one shard.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
from tqdm import tqdm

from pyserini_dupmae.store import ForwardStore, StoreInfo, write_shard
from pyserini_dupmae.util.command import make_parser, positive_int, run_command
from pyserini_dupmae.util.files import atomic_path

SHARD = 8192  # as of the encode command
MIXED = 3
NOISE = 0.1


def generate(source: ForwardStore, folder: Path, *, documents: int, terms: int = 150, seed: int = 0) -> None:
    """Write a store of ``documents`` documents with up to ``terms`` positive weights each into the new ``folder``."""
    rows = np.arange(len(source))
    vectors, token_ids, weights = source.gather(rows)
    sources = vectors, token_ids.astype(np.int64), weights
    names: list[str] = []
    largest = 0.0
    with atomic_path(folder) as temporary, tqdm(total=documents, unit="doc", unit_scale=True) as progress:
        temporary.mkdir(parents=True)
        for first in range(0, documents, SHARD):
            count = min(SHARD, documents - first)
            random = np.random.default_rng((seed, first))
            cls, ids, values = _mix(random, *sources, count, min(terms, source.top_k))
            names.append(f"shard-{len(names):06d}.safetensors")
            docids = [f"d{number:08d}" for number in range(first, first + count)]
            write_shard(temporary / names[-1], docids, cls, ids, values, source.model.vocab_size)
            largest = max(largest, float(values.max()))
            progress.update(count)
        (temporary / "terms.json").write_text(json.dumps(source.terms, ensure_ascii=False), encoding="utf-8")
        model = replace(source.model, top_k=values.shape[1])
        StoreInfo(model, documents, values.shape[1], largest, names).write(temporary)


def _mix(
    random: np.random.Generator, vectors: np.ndarray, token_ids: np.ndarray, weights: np.ndarray, count: int, terms: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """``count`` documents: (count, d') float32, (count, terms) int64 and (count, terms) float32, the largest first."""
    chosen = random.integers(0, len(vectors), (count, MIXED))
    shares = np.sort(random.dirichlet(np.ones(MIXED), count).astype(np.float32), axis=1)[:, ::-1]
    cls = np.einsum("nm,nmd->nd", shares, vectors[chosen])
    lengths = np.linalg.norm(vectors[chosen[:, 0]], axis=1, keepdims=True)
    cls += random.normal(scale=NOISE, size=cls.shape).astype(np.float32) * lengths / np.sqrt(cls.shape[1])
    cls *= lengths / np.linalg.norm(cls, axis=1, keepdims=True)
    ids = token_ids[chosen].reshape(count, -1)
    values = (weights[chosen] * shares[:, :, None]).reshape(count, -1)
    values *= np.exp(random.normal(scale=NOISE, size=values.shape)).astype(np.float32)
    # The weights of a token that several have are added up, at the last of its places.
    order = np.argsort(ids, axis=1, kind="stable")
    ids, values = np.take_along_axis(ids, order, 1), np.take_along_axis(values, order, 1)
    for _ in range(MIXED - 1):
        same = ids[:, 1:] == ids[:, :-1]
        values[:, 1:] += np.where(same, values[:, :-1], 0)
        values[:, :-1][same] = 0
    best = np.argsort(-values, axis=1, kind="stable")[:, :terms]
    ids, values = np.take_along_axis(ids, best, 1), np.take_along_axis(values, best, 1)
    return cls, np.where(values > 0, ids, 0), values


def parser() -> argparse.ArgumentParser:
    result = make_parser("benchmarks.generated", __doc__)
    result.prog = "python benchmarks/generated.py"
    add = result.add_argument
    add("--index", type=Path, required=True, metavar="OUT", help="an encoded collection to take documents from")
    add("--output", type=Path, required=True, metavar="DIR", help="gets the folder store")
    add("--documents", type=positive_int, default=500_000, metavar="N", help="how many to make")
    add("--terms", type=positive_int, default=150, metavar="K", help="positive weights of a document, at most")
    add("--seed", type=int, default=0)
    return result


def main() -> None:
    options = parser().parse_args()
    source = ForwardStore(options.index / "store")
    generate(source, options.output / "store", documents=options.documents, terms=options.terms, seed=options.seed)


if __name__ == "__main__":
    run_command(main)
