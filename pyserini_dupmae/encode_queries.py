"""Encode topics once, into the files that Pyserini's commands take in place of a model.

    python -m pyserini_dupmae.encode_queries --topics TOPICS --encoder MODEL --output DIR

    DIR/embedding.pkl    a pandas table of id, text, embedding: ``--encoded-queries DIR`` of pyserini.search.faiss and
                         of the dense side of pyserini.search.hybrid
    DIR/queries.jsonl    {"id", "contents", "vector": {term: weight}}: ``--encoder DIR/queries.jsonl`` of
                         pyserini.search.lucene --impact and of the sparse side of pyserini.search.hybrid

Fused from these files, Pyserini's scores come closest to Eq. 12 with ``--alpha`` = the ``scale`` in
OUT/lucene/dupmae.json divided by 100 (`pyserini_dupmae.modeling.impacts.QUERY_SCALE`).
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from pyserini_dupmae import api
from pyserini_dupmae.util import log
from pyserini_dupmae.util.command import (
    add_batch_size,
    add_device,
    add_encoder,
    add_overwrite,
    make_parser,
    path_type,
    run_command,
)


def parser() -> argparse.ArgumentParser:
    """The command's options, named as the arguments of `encode_queries`."""
    result = make_parser("encode_queries", __doc__)
    result.add_argument("--topics", required=True, help="a name that Pyserini or ir_datasets knows, or a file")
    add_encoder(result)
    result.add_argument("--output", required=True, type=path_type, metavar="DIR", help="the folder to write to")
    add_device(result, "cpu")
    add_batch_size(result, "queries", 64)
    add_overwrite(result)
    return result


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command with ``argv`` (default: the command line); raises `UserError`."""
    log.show()
    options = vars(parser().parse_args(argv))
    log.conclude(api.encode_queries(**options))


if __name__ == "__main__":
    run_command(main)
