"""Teach a DupMAE model what BM25 and a bi-encoder, added up, say of texts and queries.

    python -m pyserini_dupmae.training.pair prepare --encoder MINILM --output PREPARED \\
        --source squad:train:7000:5500:700 wiki/text.jsonl:7000:0:5000
    python -m pyserini_dupmae.training.pair train --from MODEL --prepared PREPARED --output OUT

A source is FOLDER[:SPLIT] in BEIR's layout or a .jsonl of texts, then the number of passages (0: all), of judged
queries and of queries that are made from its passages. MODEL was made with
--pooling mean --dense-norm l2 --ot-input hidden+token.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import fields

from pyserini_dupmae.training.pair.settings import PairOptions, PairSettings
from pyserini_dupmae.util import log
from pyserini_dupmae.util.command import (
    first_example,
    make_parser,
    path_type,
    positive_int,
    run_command,
    seed_type,
)
from pyserini_dupmae.util.files import require_replaceable


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    made = make_parser("training.pair", __doc__)
    commands = made.add_subparsers(dest="command", required=True)
    text = "draw passages and queries, and let the pair judge them"
    before = commands.add_parser("prepare", help=text, description=text, epilog=first_example(__doc__))
    before.add_argument("--encoder", required=True, help="the pair's bi-encoder, a sentence-transformers model")
    before.add_argument(
        "--source", nargs="+", required=True, metavar="SOURCE", help="collections to draw from, as above"
    )
    before.add_argument("--candidates", type=positive_int, default=48, help="passages kept of the pair's ranking")
    before.add_argument(
        "--bf16", action=argparse.BooleanOptionalAction, default=True, help="let the bi-encoder compute in bfloat16"
    )
    before.add_argument("--seed", type=seed_type, default=0, help="of what is drawn")
    text = "train on what prepare wrote"
    run = commands.add_parser("train", help=text, description=text, epilog=first_example(__doc__))
    run.add_argument("--from", dest="source", required=True, metavar="MODEL", help="a DupMAE model")
    run.add_argument("--prepared", type=path_type, required=True, help="what prepare wrote")
    for command in (before, run):
        command.add_argument("--output", type=path_type, required=True, help="the folder to write")
        command.add_argument("--overwrite", action="store_true", help="replace the folder if it exists")
    for kind in (PairOptions, PairSettings):
        for field in fields(kind):
            name, default, text = "--" + field.name.replace("_", "-"), field.default, field.metadata["help"]
            if isinstance(default, bool):
                run.add_argument(name, action=argparse.BooleanOptionalAction, default=default, help=text)
            else:
                run.add_argument(name, type=type(default), default=default, help=text)
    return made


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command with ``argv`` (default: the command line); raises `UserError`."""
    log.show()
    args = parser().parse_args(argv)
    from pyserini_dupmae.training.pair.bi_encoder import bi_encoder
    from pyserini_dupmae.training.pair.prepare import parse_source, prepare, was_prepared
    from pyserini_dupmae.training.pair.train import is_a_result, train

    require_replaceable(
        args.output, was_prepared if args.command == "prepare" else is_a_result, overwrite=args.overwrite
    )
    if args.command == "prepare":
        embed, offsets = bi_encoder(args.encoder, args.bf16)
        sources = [parse_source(text) for text in args.source]
        prepare(sources, args.output, embed=embed, offsets=offsets, candidates=args.candidates, seed=args.seed)
        return
    given = vars(args)
    options = PairOptions(**{field.name: given[field.name] for field in fields(PairOptions)})
    settings = PairSettings(**{field.name: given[field.name] for field in fields(PairSettings)})
    log.conclude(train(args.source, args.prepared, args.output, options, settings))


if __name__ == "__main__":
    run_command(main)
