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
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pyserini_dupmae.data.beir import LAYOUT
from pyserini_dupmae.modeling.weights import reading, require_finite
from pyserini_dupmae.training.pair.objective import PairSettings
from pyserini_dupmae.training.pair.prepare import Embed, Offsets, Source, prepare, was_prepared
from pyserini_dupmae.training.pair.train import PairOptions, is_a_result, train
from pyserini_dupmae.util import log
from pyserini_dupmae.util.command import make_parser, path_type, positive_int, run_command, seed_type
from pyserini_dupmae.util.errors import UserError
from pyserini_dupmae.util.files import require_replaceable
from pyserini_dupmae.util.lazy import require


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    made = make_parser("training.pair", __doc__)
    commands = made.add_subparsers(dest="command", required=True)
    before = commands.add_parser("prepare", help="draw passages and queries, and let the pair judge them")
    before.add_argument("--encoder", required=True, help="the pair's bi-encoder, a sentence-transformers model")
    before.add_argument("--source", nargs="+", required=True, help="collections to draw from, as above")
    before.add_argument("--output", type=path_type, required=True)
    before.add_argument("--overwrite", action="store_true", help="replace the folder if it exists")
    before.add_argument(
        "--candidates", type=positive_int, default=48, help="passages kept of the pair's ranking (default: 48)"
    )
    before.add_argument(
        "--bf16", action=argparse.BooleanOptionalAction, default=True, help="let the bi-encoder compute in bfloat16"
    )
    before.add_argument("--seed", type=seed_type, default=0)
    run = commands.add_parser("train", help="train on what prepare wrote")
    run.add_argument("--from", dest="source", required=True, metavar="MODEL", help="a DupMAE model")
    run.add_argument("--prepared", type=path_type, required=True, help="what prepare wrote")
    run.add_argument("--output", type=path_type, required=True)
    run.add_argument("--overwrite", action="store_true", help="replace the folder if it exists")
    for kind in (PairOptions, PairSettings):
        for field in fields(kind):
            name, default = "--" + field.name.replace("_", "-"), field.default
            if isinstance(default, bool):
                run.add_argument(name, action=argparse.BooleanOptionalAction, default=default)
            else:
                run.add_argument(name, type=type(default), default=default, help=f"(default: {default})")
    return made


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command with ``argv`` (default: the command line); raises `UserError`."""
    args = parser().parse_args(argv)
    log.show()
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
    print(train(args.source, args.prepared, args.output, options, settings))


def parse_source(text: str) -> Source:
    """``FOLDER[:SPLIT]:PASSAGES:LABELLED:MADE`` as a `Source`; raises `UserError`."""
    name, *numbers = text.rsplit(":", 3)
    if len(numbers) != 3 or not all(number.isdecimal() for number in numbers):
        raise UserError(f"--source {text!r} is not FOLDER[:SPLIT]:PASSAGES:LABELLED:MADE")
    passages, labelled, queries = (int(number) for number in numbers)
    path, split = Path(name), "train"
    if not path.exists() and ":" in name:
        before, _, split = name.rpartition(":")
        path = Path(before)
    if path.is_file():
        return Source(path, passages, labelled, queries)
    corpus = path / LAYOUT.corpus
    if not corpus.exists():
        raise UserError(f"--source {text!r}: there is neither a file {path} nor {corpus}")
    judged = path / LAYOUT.topics, path / LAYOUT.qrels.format(split=split)
    return Source(corpus, passages, labelled, queries, *judged)


def bi_encoder(name: str, bf16: bool = True) -> tuple[Embed, Offsets]:
    """How a sentence-transformers model embeds texts, and where its tokens stand in them."""
    library: Any = require("sentence_transformers", "the pair's bi-encoder", "sentence-transformers")
    with reading(f"the bi-encoder {name!r}"):
        model = library.SentenceTransformer(name, model_kwargs={"use_safetensors": True})
    require_finite(model, name)

    def embed(texts: list[str]) -> np.ndarray:
        with torch.autocast(model.device.type, torch.bfloat16, enabled=bf16):
            found = model.encode(texts, normalize_embeddings=True, convert_to_tensor=True, show_progress_bar=True)
        return found.float().cpu().numpy()

    def offsets(texts: list[str]) -> list[list[tuple[int, int]]]:
        options = {"add_special_tokens": False, "return_offsets_mapping": True, "verbose": False}
        return model.tokenizer(texts, truncation=False, **options)["offset_mapping"]

    return embed, offsets


if __name__ == "__main__":
    run_command(main)
