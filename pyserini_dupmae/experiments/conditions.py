"""Conditions: experiments whose end is checked. Their steps are run, their numbers compared, and results written."""

from __future__ import annotations

import logging
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any

from pyserini_dupmae.data.qrels import read_qrels
from pyserini_dupmae.data.query_records import QueryRecord, read_queries, write_queries
from pyserini_dupmae.evaluation.measures import Values, mean
from pyserini_dupmae.evaluation.results import QUERIES_SUFFIX, SUFFIX, ConditionResult, IndexStatistics
from pyserini_dupmae.experiments.catalogue import Catalogue, read_catalogue
from pyserini_dupmae.experiments.checks import PYTHON, Status, check_scores, check_statistics, mean_scores
from pyserini_dupmae.experiments.condition_steps import ConditionPlan, Workplace, are_wanted, plan_condition
from pyserini_dupmae.experiments.finished import REPORT_FORMATS, Finished, record_of, write_report
from pyserini_dupmae.experiments.provenance import provenance
from pyserini_dupmae.experiments.schema import AnyCondition, MeanCondition
from pyserini_dupmae.experiments.steps import Outcome, Step, StepError, run
from pyserini_dupmae.index.info import IndexInfo
from pyserini_dupmae.search.engines import require_engine
from pyserini_dupmae.util.command import BASELINES
from pyserini_dupmae.util.errors import UserError
from pyserini_dupmae.util.files import require_file, require_folder, write_json
from pyserini_dupmae.util.json_text import parse_json, read_json
from pyserini_dupmae.util.lock import alone
from pyserini_dupmae.util.log import is_quiet, logger
from pyserini_dupmae.util.progress import duration

SEARCHED = {"hybrid": ("faiss", "lucene"), "dense": ("faiss",), "sparse": ("lucene",)}
"""The search command's modes -> the indexes that are searched."""


@dataclass(frozen=True)
class Reproduction:
    """What `reproduce` did.

    Attributes:
        output: the folder that it worked in; ``results`` there is what `report` takes.
        finished: the conditions that were chosen, in order; empty for a dry run.
        seconds: in which they were run, steps that were done before not counted.
    """

    output: Path
    finished: tuple[Finished, ...]
    seconds: float

    @property
    def failed(self) -> list[str]:
        """The names of the conditions that failed."""
        return [one.condition.name for one in self.finished if one.failed]

    def __str__(self) -> str:
        good, of = len(self.finished) - len(self.failed), len(self.finished)
        took = duration(self.seconds)
        return f"{good} of {of} condition(s) without a failure in {took}; results in {self.output}"


def reproduce(
    conditions: str | Iterable[str],
    *,
    files: Sequence[str | PathLike[str]] = (),
    models: Mapping[str, str | PathLike[str]] | None = None,
    data: str | PathLike[str] | None = None,
    output: str | PathLike[str] = "reproduction",
    device: str | None = None,
    engine: str = "auto",
    threads: int | None = None,
    baselines: str = BASELINES[0],
    show_commands: bool = False,
    dry_run: bool = False,
    report: str | PathLike[str] | None = None,
) -> Reproduction:
    """Run conditions and check their numbers; print each step and each check. What is done is not done again.

    Its commands are as loud as the package's logger: below INFO they show what they say, above it steps are not told.

    Args:
        conditions: names, or patterns with ``*``, ``?`` and ``[]``.
        files: YAML files with conditions of your own.
        models: name that conditions use -> folder of the model, or its name on the Hugging Face Hub.
        data: the folder with local collections in their official files; without it they come from ir_datasets.
        output: the folder to work in.
        device: where the model runs, ``"cpu"``, ``"cuda:1"``; default: CUDA if there is one.
        engine: how documents are found, as in `search`. A collection that is known to be large gets postings.
        threads: threads that search (default: one for each core that the process may use).
        baselines: of which collections BM25 is measured too, and all-MiniLM-L6-v2 if it is installed: ``"small"``,
            those of up to 100,000 documents, ``"all"`` or ``"none"``.
        show_commands: print the command of every step first.
        dry_run: run nothing; models that are not given are shown by their names.
        report: a file, ``.json`` or ``.md``, that gets all numbers.

    Returns:
        What became of each condition. A condition that fails is told there, not by an exception.

    Raises:
        UserError: before anything is run: a name, model or file that is missing, a mistake in a YAML file, or another
            run that is at work in ``output``.

    >>> done = reproduce("docstrings-small", output="WORK", dry_run=True)
    # docstrings-small: 400 docstrings of the standard library, Eq. 12
    """
    catalogue = read_catalogue(map(Path, files))
    chosen = catalogue.select([conditions] if isinstance(conditions, str) else conditions)
    given = {name: str(model) for name, model in (models or {}).items()}
    for name, model in given.items():
        if name not in catalogue.models:
            names = ", ".join(catalogue.models)
            raise UserError(f"--model {name}={model}: no condition names {name!r}, but {names}")
    if dry_run:
        given = {name: name for name, model in catalogue.models.items() if model.package is None} | given
    require_engine(engine)
    if baselines not in BASELINES:
        raise UserError(f"baselines is {baselines!r}; it is one of {', '.join(BASELINES)}")
    if report and Path(report).suffix not in REPORT_FORMATS:
        raise UserError(f"--output-report {report}: the name must end in {' or '.join(REPORT_FORMATS)}")
    if report and not dry_run:
        require_file(report)
    place = Workplace(
        Path(output) if dry_run else require_folder(output),
        None if data is None else Path(data),
        given,
        device,
        engine,
        threads,
        baselines,
    )
    plans = _plan_all(catalogue, chosen, place, show_commands, show_commands or dry_run)
    if dry_run:
        return Reproduction(place.output, (), 0.0)
    before = time.perf_counter()
    with alone(place.output):
        runner = _Runner(catalogue, place, plans)
        finished = tuple(runner.run(condition) for condition in chosen)
    if report:
        write_report(Path(report), finished)
    return Reproduction(place.output, finished, round(time.perf_counter() - before, 3))


def _plan_all(
    catalogue: Catalogue, chosen: Iterable[AnyCondition], place: Workplace, commands: bool, names: bool
) -> dict[str, ConditionPlan]:
    """Plan, and show, the conditions that have to be run; raises `UserError` for what is missing before any is."""
    plans, problems = {}, []
    for condition in catalogue.singles(chosen):
        try:
            planned = plans[condition.name] = plan_condition(condition, catalogue, place)
        except UserError as error:
            problems.append(str(error))
            continue
        if names:
            print(f"# {condition.name}: {condition.description}")
        if commands:
            print("\n".join(step.shell() for step in (*planned.steps, *planned.baselines)))
    if problems:
        others = f" ({len(problems) - 1} other conditions lack something too)" if len(problems) > 1 else ""
        raise UserError(problems[0] + others)
    return plans


class _Runner:
    """Runs conditions, each at most once; prints what it does and finds."""

    def __init__(self, catalogue: Catalogue, place: Workplace, plans: Mapping[str, ConditionPlan]):
        self.catalogue, self.place, self.plans = catalogue, place, plans
        self._finished: dict[str, Finished] = {}
        self._begun = 0

    def run(self, condition: AnyCondition) -> Finished:
        """Run a condition, and those whose mean it is before it. A failure is in what is returned, not raised."""
        if condition.name not in self._finished:
            if isinstance(condition, MeanCondition):
                finished = self._mean(condition)
            else:
                finished = self._single(self.plans[condition.name])
            self._finished[condition.name] = finished
        return self._finished[condition.name]

    def _single(self, planned: ConditionPlan) -> Finished:
        condition = planned.condition
        self._begun += 1
        print(f"[{self._begun}/{len(self.plans)}] {condition.name}: {condition.description}", flush=True)
        finished, outcomes = Finished(condition), []
        try:
            for number, step in enumerate(planned.steps, 1):
                outcomes.append(_run(step, f"  {condition.name} [{number}/{len(planned.steps)}] "))
            self._check(planned, finished, [outcome.record.command for outcome in outcomes])
            self._compare(planned)
        except StepError as error:
            finished.error = str(error)
        _print_checks(finished)
        record = record_of(planned, finished, outcomes, self.catalogue.models[condition.model].seed)
        write_json(self.place.condition(condition.name) / "provenance.json", record)
        return finished

    def _check(self, planned: ConditionPlan, finished: Finished, commands: Sequence[str]) -> None:
        condition = planned.condition
        statistics = read_json(planned.statistics)
        values = {topics: _values(path) for topics, path in planned.scores.items()}
        finished.scores = {
            topics: {metric: mean(of_metric) for metric, of_metric in found.items()} for topics, found in values.items()
        }
        finished.checks = [
            *check_statistics(condition, planned.collection.documents, statistics),
            *check_scores(condition, finished.scores),
        ]
        mode = condition.search.mode
        finished.mode = mode
        lucene = IndexInfo.read(planned.index / "lucene")
        size = sum(file.stat().st_size for name in SEARCHED[mode] for file in (planned.index / name).iterdir())
        postings = statistics["postings"] if "lucene" in SEARCHED[mode] else None
        for topics, of_topics in values.items():
            queries = f"{condition.name}.{topics}{QUERIES_SUFFIX}"
            found = _judged(planned.explanations(topics), planned.qrels[topics])
            write_queries(self.place.output / "results" / queries, found)
            self._write_result(
                finished,
                topics,
                collection=condition.collection,
                model=condition.model,
                per_query=of_topics,
                cls_dim=None if mode == "sparse" else lucene.model.cls_dim,
                top_k=None if mode == "dense" else lucene.top_k,
                bits=None if mode == "dense" else lucene.bits,
                index=IndexStatistics(lucene.documents, size, postings),
                provenance=provenance(lucene.model.fingerprint, commands),
                queries=queries,
            )

    def _compare(self, planned: ConditionPlan) -> None:
        """Measure other systems on the collection, unless it turned out to be large; a failure is told and no more."""
        documents = read_json(planned.statistics)["documents"]
        if not are_wanted(self.place.baselines, documents):
            if self.place.baselines == "small":
                _say(f"  no baselines of {documents:,} documents; --baselines all measures them")
            return
        for number, step in enumerate(planned.baselines, 1):
            try:
                _run(step, f"  baselines of {planned.collection.name} [{number}/{len(planned.baselines)}] ")
            except StepError as error:
                logger.warning("not in the report: %s", error)

    def _mean(self, condition: MeanCondition) -> Finished:
        members = [self.run(member) for member in self.catalogue.members(condition)]
        print(f"{condition.name}: {condition.description}", flush=True)
        finished = Finished(condition)
        if missing := [member.condition.name for member in members if member.error is not None]:
            finished.error = f"no mean without {', '.join(missing)}"
        else:
            finished.scores = mean_scores(condition, [member.scores for member in members])
            finished.checks = list(check_scores(condition, finished.scores))
            finished.mode = members[0].mode
            names = tuple(member.condition.name for member in members)
            for topics in condition.topics:
                self._write_result(finished, topics, collection=condition.name, mean_of=names)
        _print_checks(finished)
        return finished

    def _write_result(self, finished: Finished, topics: str, **facts: Any) -> None:
        condition = finished.condition
        measured = condition.measured(PYTHON)
        ConditionResult(
            condition=condition.name,
            topics=topics,
            mode=finished.mode,
            metrics=dict(finished.scores[topics]),
            paper=condition.paper.get(topics, {}),
            expected=measured.scores.get(topics, {}) if measured else {},
            **facts,
        ).write(self.place.output / "results" / f"{condition.name}.{topics}{SUFFIX}")


def _say(line: str) -> None:
    if not is_quiet():
        print(line, flush=True)


def _print_checks(finished: Finished) -> None:
    for check in finished.checks:
        print(f"  {check}")
    if finished.error is not None:
        print(f"  [{Status.FAIL}]  {finished.error}")
    sys.stdout.flush()


def _run(step: Step, where: str) -> Outcome:
    """Run a step, and say before it and after it which one it is; ``where`` begins both lines."""
    begin = partial(_say, f"{where}{step.title} begins (log: {step.log})")
    outcome = run(step, show=logger.isEnabledFor(logging.DEBUG), begin=begin)
    _say(f"{where}{outcome}")
    return outcome


def _judged(explanations: Path, qrels: Path) -> Iterator[QueryRecord]:
    """What a search has found, with the judgements; nothing where somebody has deleted it."""
    judgements = read_qrels(qrels)
    for record in read_queries(explanations) if explanations.exists() else ():
        judged = judgements.get(record.qid, {})
        hits = (replace(hit, relevance=max(0, judged.get(hit.docid, 0))) for hit in record.hits)
        yield replace(record, hits=tuple(hits))


def _values(path: Path) -> Values:
    """The evaluate command's values by metric and query."""
    values: Values = defaultdict(dict)
    for line in path.read_text(encoding="utf-8").splitlines():
        row = parse_json(line)
        values[row["metric"]][row["qid"]] = row["value"]
    return dict(values)
