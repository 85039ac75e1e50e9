"""Measure runs against judgements, side by side.

    python -m pyserini_dupmae.evaluate --run a.txt b.txt --qrels qrels.txt --metrics nDCG@10 RR@10 'R(rel=2)@100'

Metrics are written as in ir_measures and equal trec_eval's: documents ordered by score (single precision), ties by
docid, descending; all judged queries counted (``-c``). ``MRR@10`` is MS MARCO's rule: it takes the ranks that the run
states. With several runs, each is compared with the first (or ``--baseline``) by a paired test, Holm-corrected over all
comparisons of the table.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from pyserini_dupmae.data.qrels import read_qrels
from pyserini_dupmae.data.runs import read_run
from pyserini_dupmae.evaluation.comparison import TESTS, Comparison, compare, per_query_rows
from pyserini_dupmae.evaluation.measures import DEFAULT_METRICS, Coverage, Values, coverage, mean, measure, parse_metric
from pyserini_dupmae.evaluation.tables import markdown_table, text_table
from pyserini_dupmae.util.command import positive_int, run_command
from pyserini_dupmae.util.errors import UserError
from pyserini_dupmae.util.files import atomic_open

PER_QUERY_FORMATS = (".tsv", ".jsonl")


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    result = argparse.ArgumentParser(
        prog="python -m pyserini_dupmae.evaluate",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = result.add_argument
    add("--run", nargs="+", required=True, metavar="RUN", help="TREC or MS MARCO form, also .gz")
    add("--qrels", required=True, help="a file (TREC, MS MARCO or BEIR form, also .gz) or an ir_datasets id")
    add("--metrics", nargs="+", default=DEFAULT_METRICS, metavar="METRIC", help="default: " + " ".join(DEFAULT_METRICS))
    add("--returned-only", action="store_true", help="count only judged queries that every run has (no -c)")
    add("--baseline", metavar="RUN", help="the run to compare with; default: the first")
    add("--compare", choices=(*TESTS, "none"), default="randomisation", help="paired test; default: randomisation")
    add("--permutations", type=positive_int, default=10_000, help="of the randomisation test; default: 10000")
    add("--seed", type=int, default=42, help="of the randomisation test; default: 42")
    add("--per-query", metavar="FILE", help="write every query's value and delta to FILE.tsv or FILE.jsonl")
    add("--output-format", choices=("text", "markdown", "json"), default="text")
    return result


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command; raises `UserError`."""
    options = parser().parse_args(argv)
    names = run_names(options.run)
    baseline = options.baseline or options.run[0]
    if baseline not in names:
        raise UserError(f"--baseline {baseline} is none of the runs given: {', '.join(names)}")
    if options.per_query and Path(options.per_query).suffix not in PER_QUERY_FORMATS:
        raise UserError(f"--per-query {options.per_query}: the name must end in {' or '.join(PER_QUERY_FORMATS)}")
    for metric in options.metrics:
        parse_metric(metric)
    qrels = read_qrels(options.qrels)
    values, coverages = {}, {}
    for path, name in names.items():
        run = read_run(path)
        coverages[name] = coverage(run, qrels)
        values[name] = measure(run, qrels, options.metrics)
    if options.returned_only:
        values = without_missing(values, coverages)
    comparisons = []
    if options.compare != "none" and len(values) > 1:
        comparisons = compare(values, names[baseline], options.compare, options.permutations, options.seed)
    if options.per_query:
        write_per_query(options.per_query, values, names[baseline])
    if options.output_format == "json":
        print(json.dumps(as_json(values, comparisons, coverages), indent=1, ensure_ascii=False))
        return
    for note in coverage_notes(coverages, options.returned_only):
        print(note, file=sys.stderr)
    table = markdown_table if options.output_format == "markdown" else text_table
    print(table(*means_table(values)))
    if comparisons:
        test = f"{options.permutations} permutations" if options.compare == "randomisation" else "t-test"
        print(f"\nAgainst {names[baseline]}: paired, two-sided, {test}, Holm over {len(comparisons)} comparisons\n")
        print(table(*comparisons_table(comparisons)))


def run_names(paths: Sequence[str]) -> dict[str, str]:
    """path -> what to call the run: its file name, or the path as given where file names clash."""
    if len(set(paths)) < len(paths):
        raise UserError(f"--run names a file twice: {' '.join(paths)}")
    files = [Path(path).name for path in paths]
    return {path: file if files.count(file) == 1 else path for path, file in zip(paths, files, strict=True)}


def without_missing(values: Mapping[str, Values], coverages: Mapping[str, Coverage]) -> dict[str, Values]:
    """``values`` of those queries that every run has. Raises `UserError` when there are none."""
    missing = {qid for found in coverages.values() for qid in found.missing}
    if len(missing) == next(iter(coverages.values())).judged:
        raise UserError("--returned-only: no judged query is in every run")
    return {
        name: {metric: {qid: v[qid] for qid in v if qid not in missing} for metric, v in of_run.items()}
        for name, of_run in values.items()
    }


def coverage_notes(coverages: Mapping[str, Coverage], returned_only: bool) -> Iterator[str]:
    """What a reader must know about queries that are only on one side."""
    for name, found in coverages.items():
        if found.missing:
            counted = "left out" if returned_only else "counted as 0"
            yield f"{name}: {len(found.missing)} of {found.judged} judged queries are not in the run, {counted}"
        if found.unjudged:
            yield f"{name}: {len(found.unjudged)} queries of the run are not judged, left out"


def means_table(values: Mapping[str, Values]) -> tuple[list[str], list[list[str]]]:
    """Header and rows: a run each, its means to four digits."""
    header = ["run", *next(iter(values.values()))]
    return header, [[name, *(f"{mean(v):.4f}" for v in of_run.values())] for name, of_run in values.items()]


def comparisons_table(comparisons: Sequence[Comparison]) -> tuple[list[str], list[list[str]]]:
    """Header and rows: a comparison each."""
    header = ["run", "metric", "difference", "wins", "ties", "losses", "p", "p (Holm)"]
    rows = []
    for c in comparisons:
        counts = [str(c.wins), str(c.ties), str(c.losses)]
        rows.append([c.run, c.metric, f"{c.difference:+.4f}", *counts, f"{c.p:.4f}", f"{c.p_holm:.4f}"])
    return header, rows


def as_json(values: Mapping[str, Values], comparisons: Sequence[Comparison], coverages: Mapping[str, Coverage]) -> dict:
    """The same as data: each run's means, the number of queries behind them and its coverage; the comparisons."""
    runs = []
    for name, of_run in values.items():
        queries = len(next(iter(of_run.values())))
        means = {metric: mean(v) for metric, v in of_run.items()}
        runs.append({"run": name, "means": means, "queries": queries, **asdict(coverages[name])})
    return {"runs": runs, "comparisons": [asdict(c) for c in comparisons]}


def write_per_query(path: str, values: Mapping[str, Values], baseline: str) -> None:
    """Write `per_query_rows` as tab-separated values with a header, or as one JSON object a line."""
    rows = per_query_rows(values, baseline)
    with atomic_open(path) as stream:
        if Path(path).suffix == ".jsonl":
            stream.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
            return
        stream.write("run\tmetric\tqid\tvalue\tdelta\n")
        stream.writelines("{run}\t{metric}\t{qid}\t{value:.6f}\t{delta:+.6f}\n".format(**row) for row in rows)


if __name__ == "__main__":
    run_command(main)
