"""Eq. 12 against [CLS] alone, ordinary tokens alone and BM25, query by query."""

from __future__ import annotations

from pyserini_dupmae.evaluation.comparison import compare
from pyserini_dupmae.evaluation.results import ConditionResult
from pyserini_dupmae.report.blocks import Block, Cell, Deltas, Row, Section, Table
from pyserini_dupmae.report.labels import Systems
from pyserini_dupmae.util.errors import UserError

HEADER = ["Eq. 12 against", "metric", "difference", "wins", "ties", "losses", "p", "p (Holm)"]


def section(systems: Systems) -> Section | None:
    """For each collection and model with values by query: a table of wins and losses, and a chart for each opponent."""
    blocks: list[Block] = []
    for where in systems.places:
        results = [result for result in systems.full(where) if result.per_query]
        for hybrid in results:
            opponents = [r for r in results if r.mode != "hybrid" and (r.mode == "bm25" or r.model == hybrid.model)]
            metric = next(iter(hybrid.per_query))
            opponents = [opponent for opponent in opponents if metric in opponent.per_query]
            if hybrid.mode == "hybrid" and opponents:
                blocks += _against(systems, where, hybrid, opponents, metric)
    if not blocks:
        return None
    text = (
        "Differences query by query, the largest gain of Eq. 12 on the left, its largest loss on the right. p is of a "
        "two-sided paired randomisation test, corrected by Holm's method over the opponents of a table."
    )
    return Section("Wins and losses", text, blocks)


def _against(
    systems: Systems, where: str, hybrid: ConditionResult, opponents: list[ConditionResult], metric: str
) -> list[Block]:
    name = systems.label(hybrid)
    values = {systems.label(result): {metric: result.per_query[metric]} for result in [hybrid, *opponents]}
    for result in opponents:
        if result.per_query[metric].keys() != hybrid.per_query[metric].keys():
            raise UserError(
                f"{result.condition} and {hybrid.condition} have values of {metric} for different queries of {where}; "
                "measure both on the same judgements"
            )
    rows, charts = [], []
    for c in compare(values, baseline=name):  # the opponent's side; what follows is Eq. 12's
        texts = [c.run, metric, f"{-c.difference:+.4f}", str(c.losses), str(c.ties), str(c.wins)]
        rows.append(Row([Cell(text) for text in (*texts, f"{c.p:.4f}", f"{c.p_holm:.4f}")]))
        deltas = [value - values[c.run][metric][qid] for qid, value in values[name][metric].items()]
        caption = f"{name} against {c.run}: {c.losses} better, {c.ties} equal, {c.wins} worse"
        charts.append(Deltas(caption, f"difference in {metric}", sorted(deltas, reverse=True)))
    return [Table(where, HEADER, rows), *charts]
