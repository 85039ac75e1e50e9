"""``python -m pyserini_dupmae.index --embeddings DIR [DIR ...]``: build or rebuild indexes from forward stores.

Several folders, such as the shards of ``--shard-id/--shard-num``, become one collection, numbered in the order given.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from pyserini_dupmae.index.build import build, search_command
from pyserini_dupmae.store import StoreInfo
from pyserini_dupmae.util import log
from pyserini_dupmae.util.command import positive_int, run_command
from pyserini_dupmae.util.errors import UserError


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m pyserini_dupmae.index", description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--embeddings", nargs="+", type=Path, required=True, metavar="DIR", help="folders that hold a store, in order")
    add("--output", type=Path, metavar="DIR", help="where the index folders are made (default: the one --embeddings)")
    add("--to-faiss", action="store_true", help="write DIR/faiss (default, with --to-lucene)")
    add("--to-lucene", action="store_true", help="write DIR/lucene (default, with --to-faiss)")
    add("--to-jsonl", action="store_true", help="write DIR/jsonl: JsonVectorCollection and dense jsonl")
    add("--faiss-factory", default="Flat", metavar="F", help="FAISS index type; only Flat gives exact search")
    add("--top-k", type=positive_int, metavar="K", help="weights of a document in the sparse index (default: all kept)")
    add("--quantization-bits", type=int, default=8, metavar="B", help="bits of a weight in the sparse index, 1 to 16")
    add("--overwrite", action="store_true", help="replace indexes that exist")
    return parser.parse_args()


def main() -> None:
    args = parse()
    log.show()
    if args.output is None and len(args.embeddings) > 1:
        raise UserError("several --embeddings are given; say with --output where the indexes of all of them go")
    output = args.output or args.embeddings[0]
    stores = [folder / "store" for folder in args.embeddings]
    default = not (args.to_faiss or args.to_lucene or args.to_jsonl)
    build(
        stores,
        output,
        faiss=args.to_faiss or default,
        lucene=args.to_lucene or default,
        jsonl=args.to_jsonl,
        faiss_factory=args.faiss_factory,
        top_k=args.top_k,
        bits=args.quantization_bits,
        overwrite=args.overwrite,
    )
    if (output / "faiss").exists() and (output / "lucene").exists():
        print("search it with:", search_command(output, StoreInfo.read(stores[0]).model.name), sep="\n")


if __name__ == "__main__":
    run_command(main)
