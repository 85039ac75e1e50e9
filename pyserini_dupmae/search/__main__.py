"""Exact hybrid search (Eq. 12) of an encoded collection, from topics to a run.

    python -m pyserini_dupmae.search --index OUT --encoder MODEL --topics TOPICS --output run.txt --hits 1000

The run holds exact scores only. What is printed at the end says for how many queries the top is proved.
With ``--shard-id I --shard-num N`` it is the run of one shard, which ``python -m pyserini_dupmae.merge`` takes.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from pyserini_dupmae import api
from pyserini_dupmae.util import log
from pyserini_dupmae.util.command import (
    MILVUS,
    OF_INDEX,
    add_batch_size,
    add_device,
    add_dtype,
    add_encoder,
    add_engine,
    add_index,
    add_milvus,
    add_shard,
    add_threads,
    make_parser,
    positive_int,
    run_command,
)


def parser() -> argparse.ArgumentParser:
    """The command's options, named as the keywords of `search`."""
    result = make_parser("search", __doc__)
    add = result.add_argument
    add_index(result, "folder that pyserini_dupmae.encode wrote; this or --uri", required=False)
    add_milvus(result)
    add_encoder(result, OF_INDEX)
    add("--topics", required=True, help="a name of Pyserini's, a file (.tsv, .txt, .jsonl, .trec) or an ir_datasets id")
    add("--output", required=True, help="the run to write")
    add("--output-format", choices=("trec", "msmarco"), default="trec", help="form of the run")
    add("--explanations", metavar="FILE", help="also write what each query found and which words count (.jsonl)")
    add("--hits", type=positive_int, default=1000, metavar="N", help="documents a query")
    add(
        "--mode",
        choices=("dense", "sparse", "hybrid"),
        default="hybrid",
        help="hybrid: by Eq. 12; dense: by [CLS] alone; sparse: by the bag of words alone",
    )
    add_engine(result, MILVUS)
    add("--certify", type=positive_int, metavar="K", help="how many of the hits are to be proved (default: all)")
    add("--max-depth", type=positive_int, metavar="N", help="longest list to ask an index for (default: any)")
    add("--remove-query", action="store_true", help="leave out the document that has the query's own id")
    add(
        "--query-top-k",
        type=positive_int,
        metavar="N",
        help="terms kept of a query's bag of words (default: the model's)",
    )
    add("--query-max-length", type=positive_int, metavar="N", help="tokens kept of a query (default: the model's)")
    add_shard(result, "which part of the collection to search")
    add("--verify", action="store_true", help="read the whole collection first and compare it with its checksums")
    add_batch_size(result, "queries", 32)
    add_threads(result)
    add_device(result)
    add_dtype(result, "what the documents were encoded in")
    return result


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command with ``argv`` (default: the command line); raises `UserError`."""
    log.show()
    options = vars(parser().parse_args(argv))
    log.conclude(api.search(**options))


if __name__ == "__main__":
    run_command(main)
