"""Eq. 12 against each part alone, BM25 and other models: query by query, with what each found and why."""

from __future__ import annotations

from pathlib import Path

from pyserini_dupmae.data.query_records import QueryRecord, read_queries
from pyserini_dupmae.evaluation.comparison import Comparison, compare
from pyserini_dupmae.evaluation.results import OTHERS, ConditionResult
from pyserini_dupmae.report.blocks import Block, Cell, Queries, Query, Ranking, Section, Table, number, table
from pyserini_dupmae.report.charts import difference_chart
from pyserini_dupmae.report.labels import Systems
from pyserini_dupmae.util.errors import UserError

UNFOLDED = 8
"""So many of the largest gains and losses against each opponent can be unfolded."""


def section(systems: Systems) -> Section | None:
    """For each collection and model with values by query: wins and losses, charts of them, and queries to unfold."""
    blocks: list[Block] = []
    for where in systems.places:
        results = [result for result in systems.full(where) if result.per_query]
        for hybrid in results:
            others = [r for r in results if r.mode != "hybrid" and (r.mode in OTHERS or r.model == hybrid.model)]
            metric = next(iter(hybrid.per_query))
            opponents = [other for other in others if metric in other.per_query]
            if hybrid.mode == "hybrid" and opponents:
                blocks += _against(systems, where, hybrid, opponents, metric)
    if not blocks:
        return None
    text = (
        "Differences query by query, the largest gain of Eq. 12 on the left, its largest loss on the right. p is of a "
        "two-sided paired randomisation test, corrected by Holm's method over the opponents of a table. Below are the "
        "queries with the largest differences: unfold one to see what each system found, the parts of its scores and "
        "the words that carry them. Documents that are judged relevant have a mark."
    )
    return Section("Wins and losses", text, blocks)


def _against(
    systems: Systems, where: str, hybrid: ConditionResult, opponents: list[ConditionResult], metric: str
) -> list[Block]:
    name = systems.label(hybrid)
    every = {systems.label(result): result for result in [hybrid, *opponents]}
    values = {label: {metric: result.per_query[metric]} for label, result in every.items()}
    for result in opponents:
        if result.per_query[metric].keys() != hybrid.per_query[metric].keys():
            raise UserError(
                f"{result.condition} and {hybrid.condition} have values of {metric} for different queries of {where}; "
                "measure both on the same judgements"
            )
    deltas = {
        label: {qid: value - values[label][metric][qid] for qid, value in values[name][metric].items()}
        for label in every
        if label != name
    }
    extremes = [(abs(delta), qid, delta, label) for label, of in deltas.items() for qid, delta in _extremes(of)]
    wanted = {qid: (delta, label) for _, qid, delta, label in sorted(extremes)}  # the largest of a query stays
    found = {label: _records(result, set(wanted)) for label, result in every.items()}
    texts = {qid: record.text for records in found.values() for qid, record in records.items()}
    most = max(abs(delta) for of_label in deltas.values() for delta in of_label.values()) or 1.0
    comparisons = compare(values, baseline=name)
    blocks: list[Block] = [_table(where, name, metric, comparisons)]
    for c in comparisons:  # the opponent's side; the page tells Eq. 12's
        caption = f"{name} against {c.run}: {c.losses} better, {c.ties} equal, {c.wins} worse"
        queries = [(texts.get(qid, qid), delta) for qid, delta in deltas[c.run].items()]
        blocks.append(difference_chart(f"{where}: {caption}", metric, queries, most))
    shown = [
        Query(
            texts[qid],
            qid,
            *wanted[qid],
            [
                Ranking(label, values[label][metric][qid], records[qid].hits)
                for label, records in found.items()
                if qid in records
            ],
        )
        for qid in sorted(wanted, key=lambda qid: (-wanted[qid][0], qid))
        if qid in texts
    ]
    return [
        *blocks,
        *([Queries(f"{where}: where {name} differs most from the others, by {metric}", shown)] if shown else []),
    ]


def _table(where: str, name: str, metric: str, comparisons: list[Comparison]) -> Table:
    return table(
        where,
        {
            f"{name} against": [Cell(c.run) for c in comparisons],
            "metric": [Cell(metric) for _ in comparisons],
            "difference": [number(-c.difference, "+.4f") for c in comparisons],
            "95 %": [Cell(f"{-c.high:+.3f} to {-c.low:+.3f}", -c.high) for c in comparisons],
            "wins": [number(c.losses, "d") for c in comparisons],
            "ties": [number(c.ties, "d") for c in comparisons],
            "losses": [number(c.wins, "d") for c in comparisons],
            "p": [number(c.p) for c in comparisons],
            "p (Holm)": [number(c.p_holm) for c in comparisons],
        },
    )


def _extremes(deltas: dict[str, float]) -> list[tuple[str, float]]:
    """The queries of the largest gains and of the largest losses."""
    ordered = sorted(((qid, delta) for qid, delta in deltas.items() if delta), key=lambda one: (one[1], one[0]))
    return ordered if len(ordered) <= 2 * UNFOLDED else ordered[:UNFOLDED] + ordered[-UNFOLDED:]


def _records(result: ConditionResult, wanted: set[str]) -> dict[str, QueryRecord]:
    if result.queries is None or not Path(result.queries).is_file():
        return {}
    return {record.qid: record for record in read_queries(result.queries, wanted)}
