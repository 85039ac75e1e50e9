"""Write a small collection in a made-up language, and the shape of a model for it: nothing has to be downloaded.

    python -m pyserini_dupmae.training.run.generate --output DIR --seed 0

``DIR`` is a folder in BEIR's layout with the splits ``train`` and ``dev``, and beside those files has ``text.txt``, to
pre-train on, and ``model``: a WordPiece vocabulary of the language and the configuration of a small BERT, no weights.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from pyserini_dupmae.experiments.made_up import generate
from pyserini_dupmae.util import log
from pyserini_dupmae.util.command import make_parser, path_type, positive_int, run_command, seed_type


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    result = make_parser("training.run.generate", __doc__)
    add = result.add_argument
    add("--output", type=path_type, required=True, metavar="DIR", help="folder to write; replaced if it exists")
    add("--seed", type=seed_type, default=0, help="of everything that is made up")
    add("--documents", type=positive_int, default=400, metavar="N", help="documents of the collection")
    add("--train-queries", type=positive_int, default=2000, metavar="N", help="queries of the split train")
    add("--dev-queries", type=positive_int, default=100, metavar="N", help="queries of the split dev")
    add("--passages", type=positive_int, default=2000, metavar="N", help="lines of text.txt")
    return result


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command; raises `UserError`."""
    log.show()
    options = parser().parse_args(argv)
    documents, queries = generate(
        options.output,
        seed=options.seed,
        documents=options.documents,
        train_queries=options.train_queries,
        dev_queries=options.dev_queries,
        passages=options.passages,
    )
    log.conclude(f"{options.output}: {documents} documents, {queries} queries")


if __name__ == "__main__":
    run_command(main)
