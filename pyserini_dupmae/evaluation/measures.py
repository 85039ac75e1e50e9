"""One value a query for each measure, through ir_measures, in trec_eval's order.

The providers of ir_measures break ties in different ways (its RR@k by rising docid, trec_eval by falling), so each
query's documents are put in trec_eval's order first and handed over with scores that have no ties.

Every judged query counts, 0 where the run lacks it: trec_eval's ``-c``. It is the default here because MS MARCO counts
that way, and because a system would otherwise gain by returning nothing for a hard query. Queries without judgements
do not count.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pyserini_dupmae.data.qrels import Qrels
from pyserini_dupmae.data.runs import Run
from pyserini_dupmae.util.errors import UserError
from pyserini_dupmae.util.lazy import require

DEFAULT_METRICS = ("nDCG@10", "RR@10", "R@100")
MSMARCO_NAME = "MRR"

Values = dict[str, dict[str, float]]
"""metric -> query id -> value."""


@dataclass(frozen=True)
class Coverage:
    """How a run's queries meet the judged ones: ``judged`` counts all judged queries, ``missing`` names those that
    the run lacks, ``unjudged`` the queries of the run that nobody judged."""

    judged: int
    missing: list[str]
    unjudged: list[str]


def coverage(run: Run, qrels: Qrels) -> Coverage:
    """Compare the queries of ``run`` and ``qrels``; raises `UserError` when they have none in common."""
    missing = [qid for qid in qrels if qid not in run.scores]
    if len(missing) == len(qrels):
        raise UserError(f"no query of {run.name} is judged; are these the judgements of another collection?")
    return Coverage(len(qrels), missing, [qid for qid in run.scores if qid not in qrels])


def measure(run: Run, qrels: Qrels, metrics: Sequence[str] = DEFAULT_METRICS) -> Values:
    """The value of each metric for each judged query, keyed by the metric as given and in the order of ``qrels``.

    Metrics are written as in ir_measures: ``nDCG@10``, ``R(rel=2)@1000``, ``AP``. ``RR@10`` orders by score as
    trec_eval does; ``MRR@10`` is MS MARCO's rule, which takes the ranks that the run states.

    Raises:
        UserError: a metric that does not exist or is not a mean over queries, or ranks that MRR cannot use.
    """
    parsed = {name: parse_metric(name) for name in metrics}
    by_score = {name: parsed[name] for name in parsed if not _is_msmarco(name)}
    values: Values = {name: _msmarco_rr(run, qrels, parsed[name]) for name in parsed if name not in by_score}
    values.update({name: {} for name in by_score})
    if by_score:
        returned = [qid for qid in qrels if qid in run.scores]
        ordered = {qid: {docid: -float(rank) for rank, docid in enumerate(run.ranking(qid))} for qid in returned}
        names: dict[Any, list[str]] = {}
        for name, of_name in by_score.items():
            names.setdefault(of_name, []).append(name)
        for result in _ir_measures().iter_calc(list(names), qrels, ordered):
            for name in names[result.measure]:
                values[name][result.query_id] = result.value
    return {name: {qid: values[name][qid] for qid in qrels} for name in parsed}


def mean(values: Mapping[str, float]) -> float:
    """The mean over queries of one metric's values."""
    return sum(values.values()) / len(values)


def parse_metric(name: str) -> Any:
    """The ir_measures measure that ``name`` writes; raises `UserError` when there is none."""
    ir_measures = _ir_measures()
    try:
        parsed = ir_measures.parse_measure(name)
        parsed.validate_params()
    except (ValueError, NameError, AssertionError) as error:
        raise UserError(f"metric {name!r}: {error}; write it like nDCG@10, RR@10, R(rel=2)@1000 or AP") from None
    if parsed.params.get("cutoff", 1) < 1:
        raise UserError(f"metric {name!r} looks at no document; give a cutoff of at least 1")
    if not isinstance(parsed.aggregator(), ir_measures.measures.base.MeanAgg):
        raise UserError(f"metric {name!r} is a count, not a mean over queries; choose another")
    if not ir_measures.DefaultPipeline.supports(parsed):
        raise UserError(f"metric {name!r} cannot be computed with the ir_measures that is installed; choose another")
    return parsed


def _is_msmarco(name: str) -> bool:
    return name.startswith(MSMARCO_NAME)


def _msmarco_rr(run: Run, qrels: Qrels, parsed: Any) -> dict[str, float]:
    """1 / the best stated rank of a relevant document, 0 when that is beyond the cutoff, for every judged query."""
    cutoff = parsed.params.get("cutoff", float("inf"))
    values = {}
    for qid, judged in qrels.items():
        ranks = run.stated_ranks(qid) if qid in run.scores else {}
        relevant = [rank for docid, rank in ranks.items() if judged.get(docid, 0) >= parsed["rel"]]
        best = min(relevant, default=float("inf"))
        values[qid] = 1.0 / best if best <= cutoff else 0.0
    return values


def _ir_measures() -> Any:
    return require("ir_measures", "measuring", "ir_measures")
