"""The options of the encode command, with the grammar and names of ``python -m pyserini.encode``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from pyserini_dupmae.util.command import GroupedParser, positive_int


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The options in the groups ``input``, ``output`` and ``encoder``; default: of the command line."""
    return GroupedParser(
        "encode",
        "Encode a collection with a DupMAE model.",
        {"input": _add_input, "output": _add_output, "encoder": _add_encoder},
    ).parse_args(argv)


def _add_input(parser: argparse.ArgumentParser) -> None:
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "--corpus", type=Path, help="a .jsonl or .tsv file, also .gz or .zst, or a folder of such files"
    )
    source.add_argument("--ir-dataset", metavar="ID", help="a collection of ir_datasets, such as beir/nfcorpus")
    parser.add_argument("--fields", nargs="+", help="fields to encode, in order (default: contents, or title and text)")
    parser.add_argument("--docid-field", help="field of the docid (default: id, _id or docid)")
    parser.add_argument(
        "--delimiter", type=_unescaped, default="\n", help=r"what separates the fields in contents (default: \n)"
    )
    parser.add_argument("--shard-id", type=int, default=0, help="which part of the collection to encode, from 0")
    parser.add_argument("--shard-num", type=positive_int, default=1, help="into how many parts the collection is cut")
    parser.add_argument(
        "--on-error", choices=("fail", "skip"), default="fail", help="stop at a bad document, or pass over and count it"
    )


def _add_output(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--embeddings", type=Path, required=True, metavar="DIR", help="folder to write to")
    parser.add_argument("--to-faiss", action="store_true", help="write a FAISS index")
    parser.add_argument("--to-lucene", action="store_true", help="write a Lucene impact index")
    parser.add_argument("--to-jsonl", action="store_true", help="write jsonl for other tools")
    parser.add_argument("--store-only", action="store_true", help="write no index (default: FAISS and Lucene)")
    parser.add_argument("--faiss-factory", default="Flat", help="type of the FAISS index (default: Flat, exact)")
    parser.add_argument("--store-contents", action="store_true", help="keep the texts in the store")
    parser.add_argument("--shard-size", type=positive_int, default=8192, help="documents a shard of the store")
    existing = parser.add_mutually_exclusive_group()
    existing.add_argument("--resume", action="store_true", help="go on with what is there; build what is missing")
    existing.add_argument("--overwrite", action="store_true", help="delete what is there and begin again")


def _add_encoder(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--encoder", help="a DupMAE model: a folder, or a name on the Hugging Face Hub (default: the package's own)"
    )
    parser.add_argument("--batch-size", type=positive_int, help="documents (default: 32, on a GPU 256)")
    parser.add_argument("--max-length", type=positive_int, help="tokens of a document (default: the model's)")
    parser.add_argument("--device", help="cpu, cuda, cuda:1, ... (default: cuda if there is one)")
    parser.add_argument("--dtype", choices=("float32", "bfloat16", "float16"), default="float32")
    parser.add_argument("--top-k", type=positive_int, help="tokens kept of a document (default: the model's)")
    parser.add_argument("--quantization-bits", type=positive_int, default=8, help="bits of a weight in Lucene")


def _unescaped(delimiter: str) -> str:
    r"""``\n`` as a shell passes it on is meant as a line break."""
    return delimiter.replace("\\n", "\n")
