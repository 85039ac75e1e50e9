"""Measure what d', k, the bits of a weight and the terms of a query cost and bring, from one encoding.

    python -m pyserini_dupmae.sweep --index OUT --encoder MODEL --topics TOPICS --qrels QRELS --output DIR

No document passes through the model again: all that is varied is made from the forward store.

    --top-k             k: the first k weights of each document.
    --cls-dim           d': [CLS] of documents and queries on the first d' principal axes of the documents' [CLS]. This
                        is what can be cut after encoding; a model trained at that d' (Eq. 10) may well do better.
    --quantization-bits what the quantised weights of the impact index alone would score, as in Pyserini's sparse
                        search, and not the exact weights of the store; 0: these. The query's weights stay floats.
    --query-terms       the largest terms of the query's bag of words alone; 0: all positive ones.

The first value of each option is the base, which one option at a time leaves; --full-grid takes all combinations.
Rankings are exact for what a setting scores with. Each row of the table has the metrics, the megabytes (10^6 bytes) of
the FAISS index and the Lucene index that this setting was searched with (not of the store; with the documents' text if
they were encoded with it), and the time of a query, median and 95th percentile: encoded before, searched alone by
--threads threads on this machine, all hits proved. The search is the one of pyserini_dupmae.search, whose engine auto
scans the store where that is faster than its indexes. With --engine scan the megabytes are those of the postings, and
neither FAISS nor Java is needed.

DIR gets a record ``SETTING.result.json`` each, which ``python -m pyserini_dupmae.report`` draws from; a setting that
has one is not measured again. DIR/indexes may be deleted afterwards.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from pyserini_dupmae import api
from pyserini_dupmae.util import log
from pyserini_dupmae.util.command import (
    OF_INDEX,
    add_device,
    add_encoder,
    add_engine,
    add_index,
    add_threads,
    make_parser,
    path_type,
    positive_int,
    run_command,
)

MODES = ("hybrid", "dense", "sparse")
METRICS = ("nDCG@10", "RR@10", "R@100")


def parser() -> argparse.ArgumentParser:
    """The command's options, named as the keywords of `sweep`."""
    result = make_parser("sweep", __doc__)
    add = result.add_argument
    add_index(result, "folders that pyserini_dupmae.encode wrote, in order", nargs="+")
    add_encoder(result, OF_INDEX)
    add("--topics", required=True, help="as of pyserini_dupmae.search; only those that are judged are searched")
    add("--qrels", required=True, help="as of pyserini_dupmae.evaluate")
    add("--output", type=path_type, required=True, metavar="DIR", help="where records and indexes go")
    add(
        "--modes",
        nargs="+",
        choices=MODES,
        default=MODES,
        help="hybrid: by Eq. 12; dense: by [CLS] alone; sparse: by the bag of words alone",
    )
    numbers: dict[str, Any] = {"nargs": "+", "metavar": "N"}
    add("--cls-dim", type=positive_int, **numbers, help="d' (default: the model's, half and a quarter of it)")
    add("--top-k", type=positive_int, **numbers, help="k (default: the store's, half and a quarter of it)")
    add("--quantization-bits", type=_natural, dest="bits", **numbers, help="0 to 16 (default: 8 4)")
    add("--query-terms", type=_natural, **numbers, help="largest terms of a query's bag of words (default: 0 64 16)")
    add("--full-grid", action="store_true", help="all combinations of the values")
    add("--metrics", nargs="+", default=METRICS, metavar="METRIC", help="measures, as of pyserini_dupmae.evaluate")
    add("--hits", type=positive_int, default=1000, metavar="N", help="documents a query")
    add("--collection", metavar="NAME", help="what reports call it (default: the name of OUT)")
    add(
        "--corpus",
        type=path_type,
        metavar="TEXTS",
        help="what was encoded: measures BM25 and all-MiniLM-L6-v2 on it too",
    )
    add_device(result)
    add_engine(result)
    add_threads(result)
    add("--output-format", choices=("text", "markdown", "json"), default="text", help="of the table")
    return result


def _natural(text: str) -> int:
    """An argparse type: a whole number of at least 0."""
    return 0 if text == "0" else positive_int(text)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command; raises `UserError`."""
    log.show()
    options = vars(parser().parse_args(argv))
    form = options.pop("output_format")
    found = api.sweep(**options)
    print({"text": found.text, "markdown": found.markdown, "json": found.json}[form]())


if __name__ == "__main__":
    run_command(main)
