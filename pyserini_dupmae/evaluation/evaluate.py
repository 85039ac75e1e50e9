"""Measuring runs against judgements, side by side: what `python -m pyserini_dupmae.evaluate` prints."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pyserini_dupmae.data.qrels import read_qrels
from pyserini_dupmae.data.runs import read_run
from pyserini_dupmae.evaluation.comparison import TESTS, Comparison, per_query_rows
from pyserini_dupmae.evaluation.comparison import compare as compare_with
from pyserini_dupmae.evaluation.measures import DEFAULT_METRICS, Coverage, Values, coverage, mean, measure, parse_metric
from pyserini_dupmae.evaluation.tables import markdown_table, text_table
from pyserini_dupmae.util.errors import UserError
from pyserini_dupmae.util.files import atomic_open, require_file

PER_QUERY_FORMATS = (".tsv", ".jsonl")
Runs = str | os.PathLike | Sequence[str | os.PathLike]


@dataclass(frozen=True)
class EvaluationResult:
    """What `evaluate` found, by the runs' names.

    Attributes:
        values: run -> metric -> query id -> value.
        comparisons: each other run against the baseline, under each metric; empty where nothing was compared.
        coverage: run -> how its queries meet the judged ones.
        baseline: the run that the others were compared with.
        test: how: ``"10000 permutations"`` or ``"t-test"``.
        returned_only: whether queries that a run lacks were left out, instead of counting 0.
    """

    values: dict[str, Values]
    comparisons: list[Comparison]
    coverage: dict[str, Coverage]
    baseline: str
    test: str
    returned_only: bool

    @property
    def means(self) -> dict[str, dict[str, float]]:
        """run -> metric -> mean over queries."""
        return {run: {metric: mean(v) for metric, v in of_run.items()} for run, of_run in self.values.items()}

    def __str__(self) -> str:
        return self.text()

    def text(self) -> str:
        """The means and the comparisons as aligned columns."""
        return self._tables(text_table)

    def markdown(self) -> str:
        """The same as Markdown."""
        return self._tables(markdown_table)

    def data(self) -> dict[str, Any]:
        """The same as data: each run's means, the number of queries behind them and its coverage; the comparisons."""
        runs = []
        for name, means in self.means.items():
            queries = len(next(iter(self.values[name].values())))
            runs.append({"run": name, "means": means, "queries": queries, **asdict(self.coverage[name])})
        return {"runs": runs, "comparisons": [asdict(comparison) for comparison in self.comparisons]}

    def json(self) -> str:
        """`data` as JSON."""
        return json.dumps(self.data(), indent=1, ensure_ascii=False)

    def notes(self) -> Iterator[str]:
        """What a reader must know about queries that only a run or only the judgements have, a line each."""
        for name, found in self.coverage.items():
            if found.missing:
                counted = "left out" if self.returned_only else "counted as 0"
                yield f"{name}: {len(found.missing)} of {found.judged} judged queries are not in the run, {counted}"
            if found.unjudged:
                yield f"{name}: {len(found.unjudged)} queries of the run are not judged, left out"

    def write_per_query(self, path: str | os.PathLike) -> None:
        """Write each query's value and difference from the baseline: ``.tsv`` with a header, or ``.jsonl``."""
        rows = per_query_rows(self.values, self.baseline)
        with atomic_open(path) as stream:
            if Path(path).suffix == ".jsonl":
                stream.writelines(json.dumps(row._asdict(), ensure_ascii=False) + "\n" for row in rows)
                return
            stream.write("run\tmetric\tqid\tvalue\tdelta\n")
            stream.writelines(f"{r.run}\t{r.metric}\t{r.qid}\t{r.value:.6f}\t{r.delta:+.6f}\n" for r in rows)

    def _tables(self, write: Callable[[Sequence[str], Sequence[Sequence[str]]], str]) -> str:
        rows = [[name, *(f"{value:.4f}" for value in means.values())] for name, means in self.means.items()]
        tables = write(["run", *next(iter(self.values.values()))], rows)
        if not self.comparisons:
            return tables
        rows = []
        for c in self.comparisons:
            counts = [str(c.wins), str(c.ties), str(c.losses)]
            rows.append([c.run, c.metric, f"{c.difference:+.4f}", *counts, f"{c.p:.4f}", f"{c.p_holm:.4f}"])
        how = f"paired, two-sided, {self.test}, Holm over {len(self.comparisons)} comparisons"
        header = ["run", "metric", "difference", "wins", "ties", "losses", "p", "p (Holm)"]
        return f"{tables}\n\nAgainst {self.baseline}: {how}\n\n{write(header, rows)}"


def evaluate(
    runs: Runs,
    *,
    qrels: str | os.PathLike,
    metrics: Sequence[str] = DEFAULT_METRICS,
    baseline: str | os.PathLike | None = None,
    compare: str | None = "randomisation",
    permutations: int = 10_000,
    seed: int = 42,
    returned_only: bool = False,
    per_query: str | os.PathLike | None = None,
) -> EvaluationResult:
    """Measure one run or several against judgements, and compare each with the first.

    Args:
        runs: a run file or several, in TREC's or MS MARCO's form, also gzipped.
        qrels: a file in TREC's, MS MARCO's or BEIR's form, also gzipped, or an ir_datasets id.
        metrics: as ir_measures writes them (``nDCG@10``, ``R(rel=2)@100``), equal to trec_eval's; ``MRR@10`` is
            MS MARCO's rule, which takes the ranks that a run states.
        baseline: the run to compare with (default: the first).
        compare: the paired test: ``"randomisation"``, ``"t"``, or None for no comparison.
        permutations, seed: of the randomisation test.
        returned_only: count only the judged queries that every run has. Otherwise all of them count, 0 for a query
            that a run lacks.
        per_query: also write every query's values to this file, ``.tsv`` or ``.jsonl``.

    Returns:
        Means, values by query, comparisons; it prints as the command does.

    Raises:
        UserError: a file that cannot be read, a metric or test that does not exist, a run given twice, a baseline that
            is none of the runs, a run without a judged query.

    >>> from pathlib import Path; from tempfile import mkdtemp
    >>> folder = Path(mkdtemp())
    >>> _ = (folder / "qrels.txt").write_text("q1 0 d2 1")
    >>> _ = (folder / "run.txt").write_text("q1 Q0 d1 1 9.5 mine\\nq1 Q0 d2 2 8.5 mine")
    >>> found = evaluate(folder / "run.txt", qrels=folder / "qrels.txt", metrics=["RR@10", "R@100"])
    >>> print(found)
    run       RR@10   R@100
    -------  ------  ------
    run.txt  0.5000  1.0000
    >>> found.means["run.txt"]["RR@10"]
    0.5
    """
    paths = [os.fspath(path) for path in ([runs] if isinstance(runs, str | os.PathLike) else runs)]
    names = _run_names(paths)
    against = paths[0] if baseline is None else os.fspath(baseline)
    if against not in names:
        raise UserError(f"the baseline {against} is none of the runs given: {', '.join(names)}")
    if compare not in (*TESTS, None):
        raise UserError(f"unknown test {compare!r}; choose one of {', '.join(TESTS)}")
    if per_query is not None and Path(per_query).suffix not in PER_QUERY_FORMATS:
        raise UserError(f"values by query cannot go to {per_query}: the name must end in .tsv or .jsonl")
    if per_query is not None:
        require_file(per_query, reads=[*names, qrels])
    for metric in metrics:
        parse_metric(metric)
    judged = read_qrels(qrels)
    values: dict[str, Values] = {}
    coverages: dict[str, Coverage] = {}
    for path, name in names.items():
        run = read_run(path)
        coverages[name] = coverage(run, judged)
        values[name] = measure(run, judged, metrics)
    if returned_only:
        values = _without_missing(values, coverages)
    comparisons = []
    if compare is not None and len(values) > 1:
        comparisons = compare_with(values, names[against], compare, permutations, seed)
    test = f"{permutations} permutations" if compare == "randomisation" else "t-test"
    result = EvaluationResult(values, comparisons, coverages, names[against], test, returned_only)
    if per_query is not None:
        result.write_per_query(per_query)
    return result


def _run_names(paths: Sequence[str]) -> dict[str, str]:
    """path -> what to call the run: its file name, or the path as given where file names clash."""
    if len(set(paths)) < len(paths):
        raise UserError(f"the runs name a file twice: {' '.join(paths)}")
    files = [Path(path).name for path in paths]
    return {path: file if files.count(file) == 1 else path for path, file in zip(paths, files, strict=True)}


def _without_missing(values: Mapping[str, Values], coverages: Mapping[str, Coverage]) -> dict[str, Values]:
    """``values`` of those queries that every run has."""
    missing = {qid for found in coverages.values() for qid in found.missing}
    if len(missing) == next(iter(coverages.values())).judged:
        raise UserError("no judged query is in every run, so none would count")
    return {
        name: {metric: {qid: v[qid] for qid in v if qid not in missing} for metric, v in of_run.items()}
        for name, of_run in values.items()
    }
