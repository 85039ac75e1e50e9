"""Measure runs against judgements, side by side.

    python -m pyserini_dupmae.evaluate --run a.txt b.txt --qrels qrels.txt --metrics nDCG@10 RR@10 'R(rel=2)@100'

Metrics are written as in ir_measures and equal trec_eval's: documents ordered by score (single precision), ties by
docid, descending; all judged queries counted (``-c``). ``MRR@10`` is MS MARCO's rule: it takes the ranks that the run
states. With several runs, each is compared with the first (or ``--baseline``) by a paired test, Holm-corrected over all
comparisons of the table.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from pyserini_dupmae.evaluation.comparison import TESTS
from pyserini_dupmae.evaluation.evaluate import evaluate
from pyserini_dupmae.evaluation.measures import DEFAULT_METRICS
from pyserini_dupmae.util import log
from pyserini_dupmae.util.command import make_parser, positive_int, run_command, seed_type


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    result = make_parser("evaluate", __doc__)
    add = result.add_argument
    add("--run", nargs="+", required=True, metavar="RUN", help="TREC or MS MARCO form, also .gz")
    add("--qrels", required=True, help="a file (TREC, MS MARCO or BEIR form, also .gz) or an ir_datasets id")
    add("--metrics", nargs="+", default=DEFAULT_METRICS, metavar="METRIC", help="measures, as ir_measures writes them")
    add("--returned-only", action="store_true", help="count only judged queries that every run has (no -c)")
    add("--baseline", metavar="RUN", help="the run to compare with (default: the first)")
    add("--compare", choices=(*TESTS, "none"), default="randomisation", help="paired test")
    add("--permutations", type=positive_int, default=10_000, metavar="N", help="of the randomisation test")
    add("--seed", type=seed_type, default=42, help="of the randomisation test")
    add("--per-query", metavar="FILE", help="write every query's value and delta to FILE.tsv or FILE.jsonl")
    add("--output-format", choices=("text", "markdown", "json"), default="text", help="of the table")
    return result


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command; raises `UserError`."""
    log.show()
    options = parser().parse_args(argv)
    result = evaluate(
        options.run,
        qrels=options.qrels,
        metrics=options.metrics,
        baseline=options.baseline,
        compare=None if options.compare == "none" else options.compare,
        permutations=options.permutations,
        seed=options.seed,
        returned_only=options.returned_only,
        per_query=options.per_query,
    )
    if options.output_format != "json":
        for note in result.notes():
            log.logger.info("%s", note)
    print(getattr(result, options.output_format)())


if __name__ == "__main__":
    run_command(main)
