"""Why a document has its score: Eq. 12 taken apart into [CLS] and the terms of the bag of words.

python -m pyserini_dupmae.explain --index OUT --encoder MODEL --query "how tides arise" --docid D17
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from pyserini_dupmae import api
from pyserini_dupmae.util import log
from pyserini_dupmae.util.command import OF_INDEX, add_encoder, add_index, make_parser, positive_int, run_command


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    result = make_parser("explain", __doc__)
    add = result.add_argument
    add_index(result, "folder that pyserini_dupmae.encode wrote")
    add_encoder(result, OF_INDEX)
    add("--query", required=True, help="text of the query")
    add("--docid", required=True, help="the document")
    add("--tokens", type=positive_int, default=20, metavar="N", help="terms to print")
    return result


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command with ``argv`` (default: the command line); raises `UserError`."""
    log.show()
    args = parser().parse_args(argv)
    print(api.explain(args.index, query=args.query, docid=args.docid, encoder=args.encoder).table(args.tokens))


if __name__ == "__main__":
    run_command(main)
