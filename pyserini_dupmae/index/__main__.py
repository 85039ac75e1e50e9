"""Build or rebuild indexes from forward stores.

    python -m pyserini_dupmae.index --index DIR [DIR ...]

Several folders, such as the shards of ``--shard-id/--shard-num``, become one collection, numbered in the order given.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from pyserini_dupmae import api
from pyserini_dupmae.index.info import DEFAULT_KINDS, DENSE_INDEXES
from pyserini_dupmae.util import log
from pyserini_dupmae.util.command import (
    MILVUS,
    add_index,
    add_milvus,
    add_overwrite,
    make_parser,
    path_type,
    positive_int,
    run_command,
)


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    result = make_parser("index", __doc__)
    add = result.add_argument
    add_index(result, "folders that pyserini_dupmae.encode wrote, in order", nargs="+")
    add("--output", type=path_type, metavar="DIR", help="where the indexes go (default: the one folder of --index)")
    to: dict[str, Any] = {"action": "append_const", "dest": "to"}
    add("--to-faiss", **to, const="faiss", help="write DIR/faiss, of [CLS] (default: this and --to-lucene)")
    add(
        "--to-lucene",
        **to,
        const="lucene",
        help="write DIR/lucene, of the bags of words (default: this and --to-faiss)",
    )
    add("--to-postings", **to, const="postings", help="write DIR/postings, what search --engine scan reads")
    add("--to-jsonl", **to, const="jsonl", help="write DIR/jsonl: JsonVectorCollection and dense jsonl")
    add("--faiss-factory", default="Flat", metavar="F", help="type of the FAISS index; only Flat gives exact search")
    add("--top-k", type=positive_int, metavar="K", help="terms of a document in Lucene (default: all kept)")
    add("--quantization-bits", type=int, default=8, metavar="B", help="bits of a weight in Lucene, 1 to 16")
    add("--to-milvus", **to, const=MILVUS, help="load into the Milvus at --uri, what search --engine milvus reads")
    add_milvus(result)
    add("--milvus-index", choices=tuple(DENSE_INDEXES), default="FLAT", help="of [CLS]; only FLAT gives exact search")
    add_overwrite(result)
    return result


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command with ``argv`` (default: the command line); raises `UserError`."""
    log.show()
    args = parser().parse_args(argv)
    result = api.index(
        args.index,
        to=args.to or DEFAULT_KINDS,
        output=args.output,
        faiss_factory=args.faiss_factory,
        top_k=args.top_k,
        bits=args.quantization_bits,
        overwrite=args.overwrite,
        uri=args.uri,
        collection=args.collection,
        milvus_index=args.milvus_index,
    )
    if result.next_command is not None:
        log.conclude(f"search it with:\n{result.next_command}")


if __name__ == "__main__":
    run_command(main)
