"""The command line of mining."""

from __future__ import annotations

import argparse
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pyserini_dupmae.modeling.loading import DTYPES
from pyserini_dupmae.modeling.query_encoder import QueryModel
from pyserini_dupmae.training.data import SOURCE_HELP, load_training_set
from pyserini_dupmae.training.identity import content_digest
from pyserini_dupmae.training.mine.duplicates import text_hashes
from pyserini_dupmae.training.mine.miner import Miner, rows_of_index
from pyserini_dupmae.training.mine.selection import ScoreFilter, Selection
from pyserini_dupmae.training.resumable_file import PartedFile
from pyserini_dupmae.util.command import positive_int
from pyserini_dupmae.util.errors import UserError
from pyserini_dupmae.util.files import user_cache
from pyserini_dupmae.util.log import logger

QUERIES_A_PART = 2000


def main(argv: Sequence[str] | None = None) -> None:
    """Parse the command line and mine; raises `UserError`."""
    options = _parse(argv)
    output = PartedFile(options.output, ".jsonl", QUERIES_A_PART, options.overwrite)
    filtering = (options.scores, options.negatives, options.max_score_margin)
    if any(value is None for value in filtering) and filtering != (None, None, None):
        raise UserError("--scores, --negatives and --max-score-margin belong together; give all of them or none")
    if options.skip < 0:
        raise UserError(f"--skip must be at least 0, got {options.skip}")
    mine(options, output)


def mine(options: argparse.Namespace, output: PartedFile) -> None:
    """Mine with parsed ``options`` and write ``output``; raises `UserError`."""
    # Here, so that options are explained and refused where there is neither Pyserini nor FAISS nor Java.
    from pyserini_dupmae.search.searcher import DupMAESearcher

    encoder = QueryModel.load(options.encoder, options.device, options.dtype)
    searcher = DupMAESearcher(options.index, encoder, options.mode)
    data = load_training_set(options.data, options.cache)
    rows = rows_of_index(searcher, data, options.index)
    score_filter = None
    if options.scores is not None:
        scored = load_training_set(options.data, options.cache, options.negatives, options.scores)
        score_filter = ScoreFilter(scored, options.max_score_margin)
    selection = Selection(data, text_hashes(data.documents), options.skip, score_filter)
    queries = _sample(len(data.queries), options.queries, options.seed)
    miner = Miner(searcher, data, selection, rows, queries, options.depth, options.batch_size, options.threads)
    output.write(_settings(options, miner), len(queries), miner.entries)
    searcher.close()
    if miner.unproved:
        logger.warning("the ranking of %d queries is not proved", miner.unproved)
    if score_filter is not None:
        logger.info("%d hits left out by score; %d had none", score_filter.dropped, score_filter.unknown)


def _sample(available: int, wanted: int | None, seed: int) -> np.ndarray:
    """The numbers of the queries to mine, rising: all, or so many at random."""
    numbers = np.arange(available)
    return numbers if wanted is None else np.sort(np.random.default_rng(seed).permutation(numbers)[:wanted])


def _settings(options: argparse.Namespace, miner: Miner) -> dict[str, Any]:
    """What decides the output, by content."""
    selection, data = miner.selection, miner.training_set
    named = {name: getattr(options, name) for name in ("mode", "depth", "skip", "max_score_margin", "device", "dtype")}
    filtered = selection.score_filter and selection.score_filter.scored
    scores = (filtered.positive_scores, filtered.negatives, filtered.negative_scores) if filtered else ()
    return named | {
        "sample": hashlib.sha256(miner.queries.tobytes()).hexdigest(),
        "model": miner.searcher.encoder.identity.fingerprint,
        "index": hashlib.sha256(miner.rows.tobytes()).hexdigest(),
        "data": content_digest(data, data.positives, *scores),
    }


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m pyserini_dupmae.training.mine",
        description="Mine hard negatives for the queries of a source, by exact search with the current model.",
    )
    add = parser.add_argument
    add("--index", required=True, metavar="DIR", help="folder that was --embeddings of pyserini_dupmae.encode")
    add("--encoder", required=True, metavar="MODEL", help="the model that encoded it: a folder or a name on the Hub")
    add("--data", required=True, metavar="SOURCE", help=SOURCE_HELP)
    add("--output", required=True, metavar="FILE", help="negatives to write: .jsonl or .jsonl.gz")
    add("--depth", type=positive_int, default=200, metavar="N", help="hits a query to choose from (default: 200)")
    add("--queries", type=positive_int, metavar="N", help="mine for so many queries, drawn at random (default: all)")
    add("--seed", type=int, default=0, help="of that draw (default: 0)")
    add("--mode", default="hybrid", help="hybrid (Eq. 12), or dense or sparse, a part of it alone (default: hybrid)")
    add("--skip", type=int, default=0, metavar="N", help="leave out the N hardest negatives (default: 0)")
    add("--negatives", type=Path, metavar="FILE", help="negatives that the teacher has scored: an earlier output")
    add("--scores", type=Path, metavar="FILE", help="its scores, of pyserini_dupmae.training.teacher score")
    add(
        "--max-score-margin",
        type=float,
        metavar="M",
        help="leave out a hit that the teacher scores above the query's lowest positive minus M",
    )
    add("--cache", type=Path, default=user_cache() / "training", metavar="DIR", help="where prepared data is kept")
    add("--batch-size", type=positive_int, default=64, metavar="N", help="queries taken together (default: 64)")
    add(
        "--threads",
        type=positive_int,
        default=os.cpu_count(),
        metavar="N",
        help="queries searched at a time (default: one a core)",
    )
    add("--device", default="cpu", help="where queries are encoded (default: cpu)")
    add("--dtype", choices=tuple(DTYPES), default="float32", help="precision of the encoding (default: float32)")
    add("--overwrite", action="store_true", help="replace the output if it exists, and parts of other settings")
    return parser.parse_args(argv)
