"""Mine hard negatives: what the current model ranks highest for each training query and is not a positive.

    python -m pyserini_dupmae.training.mine --index OUT --encoder MODEL --data SOURCE --output negatives.jsonl

OUT is what ``pyserini_dupmae.encode`` wrote with MODEL and the documents of SOURCE. A line of the output is
``{"query_id": "q1", "negatives": ["d7", "d3"]}``, the hardest first, in the order of SOURCE's queries; the model's own
scores are not in it, since they say nothing to the next model. It is a function of index, model and source alone.
After an interruption the same command goes on where it was.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from pyserini_dupmae import api
from pyserini_dupmae.training.data import SOURCE_HELP, default_cache
from pyserini_dupmae.util import log
from pyserini_dupmae.util.command import (
    OF_INDEX,
    add_batch_size,
    add_device,
    add_dtype,
    add_encoder,
    add_engine,
    add_index,
    add_shard,
    add_threads,
    make_parser,
    path_type,
    positive_int,
    run_command,
    seed_type,
)


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    made = make_parser("training.mine", __doc__)
    add = made.add_argument
    add_index(made, "folder that pyserini_dupmae.encode wrote")
    add_encoder(made, OF_INDEX)
    add("--data", required=True, metavar="SOURCE", help=SOURCE_HELP)
    add("--output", required=True, metavar="FILE", help="negatives to write: .jsonl or .jsonl.gz")
    add("--depth", type=positive_int, default=200, metavar="N", help="hits a query to choose from")
    add("--queries", type=positive_int, metavar="N", help="mine for so many queries, drawn at random (default: all)")
    add("--seed", type=seed_type, default=0, help="of that draw")
    add_shard(made, "which part of the queries to mine for")
    add("--mode", default="hybrid", help="hybrid: by Eq. 12; dense: by [CLS] alone; sparse: by the bag of words alone")
    add("--certify", type=positive_int, metavar="K", help="how many of the hits are to be proved (default: all)")
    add("--skip", type=int, default=0, metavar="N", help="leave out the N hardest negatives")
    add("--negatives", type=path_type, metavar="FILE", help="negatives that the teacher has scored: an earlier output")
    add("--scores", type=path_type, metavar="FILE", help="its scores, of pyserini_dupmae.training.teacher score")
    add(
        "--max-score-margin",
        type=float,
        metavar="M",
        help="leave out a hit that the teacher scores above the query's lowest positive minus M",
    )
    add("--cache", type=path_type, default=default_cache(), metavar="DIR", help="where prepared data is kept")
    add_batch_size(made, "queries", 64)
    add_engine(made)
    add_threads(made)
    add_device(made)
    add_dtype(made, "what the documents were encoded in")
    add("--overwrite", action="store_true", help="replace the output if it exists, and parts of other settings")
    return made


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command with ``argv`` (default: the command line); raises `UserError`."""
    log.show()
    options = vars(parser().parse_args(argv))
    log.conclude(api.mine(**options))


if __name__ == "__main__":
    run_command(main)
