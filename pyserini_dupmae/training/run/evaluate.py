"""Measure a model on collections: encode, search by [CLS], by the bag of words and by Eq. 12, evaluate.

    python -m pyserini_dupmae.training.run.evaluate --encoder MODEL --data nfcorpus:dev cacm --output DIR

prints a table, and does in one process what the commands ``encode``, ``search --mode`` and ``evaluate`` do.
``DIR/index/NAME`` is what ``encode`` writes, ``DIR/search/NAME.MODE.txt`` what ``search`` writes; the report
reads ``DIR/NAME.MODE.result.json``. Interrupted, the same command goes on.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from pyserini_dupmae.data.judged_collection import SOURCE_HELP
from pyserini_dupmae.util import log
from pyserini_dupmae.util.command import (
    OF_INDEX,
    add_device,
    add_dtype,
    add_encoder,
    add_engine,
    add_index,
    add_threads,
    make_parser,
    path_type,
    positive_int,
    run_command,
)


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    result = make_parser("training.run.evaluate", __doc__)
    add = result.add_argument
    add_encoder(result, f"{OF_INDEX}; without --index the one that comes with the package")
    add("--data", nargs="+", required=True, metavar="SOURCE", help=SOURCE_HELP)
    add_index(result, "what encode wrote for each (default: encode)", required=False, nargs="+", default=[])
    add("--output", type=path_type, required=True, metavar="DIR", help="folder to write to")
    add("--name", help="what the results call the model (default: its folder's name)")
    add("--baselines", action="store_true", help="measure BM25 too, and all-MiniLM-L6-v2 if it is installed")
    add(
        "--queries",
        type=positive_int,
        metavar="N",
        help="at most so many of each collection, spread evenly (default: all)",
    )
    add("--hits", type=positive_int, default=100, metavar="N", help="documents a query")
    add_device(result)
    add_dtype(result, "bfloat16 on a GPU that has it natively, else float32")
    add_engine(result)
    add_threads(result)
    return result


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command; raises `UserError`."""
    log.show()
    options = parser().parse_args(argv)
    from pyserini_dupmae.experiments.evaluate_model import evaluate_model, table

    results = evaluate_model(
        options.data,
        options.output,
        encoder=options.encoder,
        indexes=options.index,
        name=options.name,
        baselines=options.baselines,
        queries=options.queries,
        hits=options.hits,
        device=options.device,
        dtype=options.dtype,
        engine=options.engine,
        threads=options.threads,
    )
    print(table(results))


if __name__ == "__main__":
    run_command(main)
