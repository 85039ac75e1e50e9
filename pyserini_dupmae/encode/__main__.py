"""Encode a collection, with the grammar and the names of ``python -m pyserini.encode``.

    python -m pyserini_dupmae.encode \\
        input --corpus collection.jsonl \\
        output --index OUT \\
        encoder --encoder MODEL

writes ``OUT/store`` (the forward store), ``OUT/faiss`` and ``OUT/lucene``. Interrupted, the same command goes on.
With ``encoder --processes N``, or started by ``torchrun --nproc_per_node N -m``, several processes write one store.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from typing import Any

from pyserini_dupmae import api
from pyserini_dupmae.index.info import DEFAULT_KINDS
from pyserini_dupmae.util import log
from pyserini_dupmae.util.command import (
    GroupedParser,
    add_batch_size,
    add_corpus,
    add_device,
    add_dtype,
    add_encoder,
    add_index,
    add_resume_or_overwrite,
    add_shard,
    positive_int,
    run_command,
)
from pyserini_dupmae.util.errors import UserError


def parser() -> GroupedParser:
    """The command's options in the groups ``input``, ``output`` and ``encoder``."""
    return GroupedParser("encode", __doc__, {"input": _add_input, "output": _add_output, "encoder": _add_model})


def _add_input(group: argparse.ArgumentParser) -> None:
    add_corpus(group)
    add_shard(group, "which part of the collection to encode")
    group.add_argument(
        "--on-error", choices=("fail", "skip"), default="fail", help="stop at a bad document, or pass over and count it"
    )


def _add_output(group: argparse.ArgumentParser) -> None:
    add_index(group, "folder to write to", dest="output")
    to: dict[str, Any] = {"action": "append_const", "dest": "to"}
    group.add_argument("--to-faiss", **to, const="faiss", help="write a FAISS index, of [CLS]")
    group.add_argument("--to-lucene", **to, const="lucene", help="write a Lucene impact index, of the bags of words")
    group.add_argument("--to-postings", **to, const="postings", help="write what search --engine scan reads")
    group.add_argument("--to-jsonl", **to, const="jsonl", help="write jsonl for other tools")
    group.add_argument("--store-only", action="store_true", help="write no index (default: FAISS and Lucene)")
    group.add_argument("--faiss-factory", default="Flat", help="type of the FAISS index; only Flat gives exact search")
    group.add_argument("--store-contents", action="store_true", help="keep the texts in the store")
    group.add_argument("--shard-size", type=positive_int, default=8192, help="documents a shard of the store")
    add_resume_or_overwrite(group)


def _add_model(group: argparse.ArgumentParser) -> None:
    add_encoder(group)
    add_batch_size(group, "documents", None, " (default: 32, on a GPU 256)")
    group.add_argument("--max-length", type=positive_int, help="tokens of a document (default: the model's)")
    add_device(group)
    group.add_argument(
        "--processes",
        type=positive_int,
        default=1,
        metavar="N",
        help="processes that encode, a shard at a time each: one a GPU, or on a CPU with a part of its cores",
    )
    add_dtype(group, "bfloat16 on a GPU that has it natively, else float32")
    group.add_argument(
        "--top-k", type=positive_int, help="terms kept of a document's bag of words (default: the model's)"
    )
    group.add_argument(
        "--idf",
        metavar="collection|general|DIR",
        help="how a model with own words, as the package's, weighs them in documents: by how many documents of this "
        "collection have each (default), not, or by how many of the collection that was encoded into DIR",
    )
    group.add_argument(
        "--quantization-bits", type=positive_int, default=8, dest="bits", help="bits of a weight in Lucene, 1 to 16"
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command with ``argv`` (default: the command line); raises `UserError`."""
    log.show()
    args = parser().parse_args(argv)
    options = vars(args.input) | vars(args.output) | vars(args.encoder)  # named as the keywords of `encode`
    asked, alone = options.pop("to"), options.pop("store_only")
    if asked and alone:
        raise UserError(f"--store-only and --to-{asked[0]} exclude each other; leave one out")
    if int(os.environ.get("WORLD_SIZE", 1)) > 1:
        from pyserini_dupmae.encode.workers import Torchrun, follow

        if options["processes"] > 1:
            raise UserError("torchrun starts the processes; leave out --processes")
        if int(os.environ["RANK"]) > 0:
            return follow()
        options["processes"] = Torchrun()
    log.conclude(api.encode(**options, to=[] if alone else asked or DEFAULT_KINDS))


if __name__ == "__main__":
    run_command(main)
