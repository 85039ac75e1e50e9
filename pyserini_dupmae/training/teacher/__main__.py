"""Train a cross-encoder on mined negatives, and score positives and negatives with it for stage 3 (Eq. 15).

    python -m pyserini_dupmae.training.teacher train --from MODEL --data SOURCE --negatives FILE --output DIR
    python -m pyserini_dupmae.training.teacher score --teacher DIR --data SOURCE --negatives FILE --output scores.tsv

DIR is a cross-encoder of sentence-transformers, and so is any other ``--teacher``. A line of the scores is "query id,
docid, score", with tabs between. After an interruption ``train --resume`` and the same ``score`` go on where they were.
Each of the two tells its options with --help.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pyserini_dupmae import api
from pyserini_dupmae.training.command import TrainingParser, example
from pyserini_dupmae.training.data import SOURCE_HELP, default_cache
from pyserini_dupmae.training.teacher.settings import TeacherDefaults
from pyserini_dupmae.util import log
from pyserini_dupmae.util.command import (
    add_batch_size,
    add_device,
    add_dtype,
    make_parser,
    path_type,
    positive_int,
    run_command,
    seed_type,
)

if TYPE_CHECKING:
    from pyserini_dupmae.training.arguments import RunArguments

TRAIN = f"""Train a cross-encoder as a teacher.

{example(__doc__, "teacher train")}
"""
SCORE = f"""Score the positives and negatives of each query with a teacher: the raw logits of a cross-encoder.

{example(__doc__, "teacher score")}
"""


def parser() -> argparse.ArgumentParser:
    """What the command line begins with."""
    made = make_parser("training.teacher", __doc__)
    made.add_argument("command", choices=COMMANDS, help="train a cross-encoder, or score with one")
    return made


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command with ``argv`` (default: the command line); raises `UserError`."""
    if os.environ.get("RANK", "0") == "0":  # torchrun's first process speaks for all
        log.show()
    words = list(sys.argv[1:] if argv is None else argv)
    COMMANDS[parser().parse_args(words[:1]).command](words[1:])


def train_parser() -> TrainingParser:
    """The options of ``train``."""
    made = TrainingParser("training.teacher train", TRAIN, TeacherDefaults, _arguments)
    run = made.run
    run.add_argument(
        "--from",
        dest="source",
        required=True,
        metavar="MODEL",
        help="a cross-encoder, or an encoder that gets a new classifier: a folder or a name on the Hub",
    )
    run.add_argument("--data", nargs="+", required=True, metavar="SOURCE", help=SOURCE_HELP)
    run.add_argument("--negatives", nargs="+", type=path_type, default=[], metavar="FILE", help="mined, one a source")
    run.add_argument(
        "--negatives-per-positive", type=positive_int, default=7, metavar="N", help="of a group, drawn in each epoch"
    )
    run.add_argument("--depth", type=positive_int, default=200, metavar="N", help="of the hardest so many")
    run.add_argument("--max-length", type=positive_int, default=200, help="tokens of a pair, special ones included")
    run.add_argument("--eval-queries", type=int, default=200, help="queries held out, at most a tenth; 0: none")
    run.add_argument(
        "--cache", type=path_type, default=default_cache(), metavar="DIR", help="where prepared data is kept"
    )
    return made


def _arguments() -> type[RunArguments]:
    from pyserini_dupmae.training.teacher.train import TeacherArguments

    return TeacherArguments


def _train(argv: Sequence[str]) -> None:
    made = train_parser()
    options = made.parse_args(argv)
    done = api.train_teacher(
        model=options.source,
        data=options.data,
        output=options.output_dir,
        negatives=options.negatives,
        negatives_per_positive=options.negatives_per_positive,
        depth=options.depth,
        max_length=options.max_length,
        eval_queries=options.eval_queries,
        cache=options.cache,
        resume=options.resume,
        overwrite=options.overwrite,
        arguments=made.arguments(options),
    )
    log.conclude(f"{done}\nnext: python -m pyserini_dupmae.training.teacher score --teacher {done.folder}")


def score_parser() -> argparse.ArgumentParser:
    """The options of ``score``."""
    made = make_parser("training.teacher score", SCORE)
    add = made.add_argument
    add("--teacher", required=True, metavar="MODEL", help="a cross-encoder: a folder or a name on the Hub")
    add(
        "--bi-encoder", action="store_true", help="the teacher is a SentenceTransformer; its cosines times 20 are taken"
    )
    add("--data", required=True, metavar="SOURCE", help=SOURCE_HELP)
    add(
        "--negatives",
        type=path_type,
        metavar="FILE",
        help="scored beside the positives (default: these of all queries)",
    )
    add("--output", required=True, metavar="FILE", help="scores to write: .tsv or .tsv.gz")
    add("--depth", type=positive_int, metavar="N", help="the N hardest negatives of a query alone (default: all)")
    add(
        "--sample",
        type=positive_int,
        metavar="N",
        help="of these N at random (default: all); E epochs with groups of G draw E x (G - 1) at most",
    )
    add("--queries", type=positive_int, metavar="N", help="score so many queries, drawn at random (default: all)")
    add("--seed", type=seed_type, default=0, help="of these draws")
    add("--max-length", type=positive_int, metavar="N", help="tokens of a pair (default: the teacher's own)")
    add("--cache", type=path_type, default=default_cache(), metavar="DIR", help="where prepared data is kept")
    add_batch_size(made, "pairs", 64)
    add_device(made)
    add_dtype(made, "bfloat16 on a GPU that has it natively, else float32")
    add(
        "--processes",
        type=positive_int,
        default=1,
        metavar="N",
        help="processes that score: one a GPU, or on a CPU with a part of its cores",
    )
    add("--overwrite", action="store_true", help="replace the output if it exists, and parts of other settings")
    return made


def _score(argv: Sequence[str]) -> None:
    options = vars(score_parser().parse_args(argv))
    log.conclude(api.score(**options))


COMMANDS = {"train": _train, "score": _score}


if __name__ == "__main__":
    run_command(main)
