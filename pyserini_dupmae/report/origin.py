"""How the results came about: models, machines, revisions, and the commands."""

from __future__ import annotations

from collections.abc import Sequence

from pyserini_dupmae.evaluation.results import OTHERS, ConditionResult
from pyserini_dupmae.report.blocks import Block, Cell, Commands, Section, number, table
from pyserini_dupmae.report.labels import Systems

SHORT = 12
"""Characters of a hash that tell it from others."""


def section(systems: Systems) -> Section | None:
    """A row for each model, machine and revision, and every command, in order."""
    groups: dict[tuple[str, ...], list[ConditionResult]] = {}
    for result in systems.results:
        of = result.provenance
        if of.date:
            model = "" if result.mode == "bm25" else result.model
            groups.setdefault((model, of.model_hash, of.hardware, of.commit, of.version), []).append(result)
    if not groups:
        return None
    columns = {
        "model": [Cell(model or "BM25") for model, *_ in groups],
        "hash": [Cell(model_hash[:SHORT]) for _, model_hash, *_ in groups],
        "measured": [Cell(_dates(results)) for results in groups.values()],
        "hardware": [Cell(hardware) for _, _, hardware, *_ in groups],
        "commit": [Cell(_revision(commit)) for *_, commit, _ in groups],
        "version": [Cell(version) for *_, version in groups],
        "results": [number(len(results), "d") for results in groups.values()],
    }
    others_last = sorted(systems.results, key=lambda result: result.mode in OTHERS)  # they begin with what ours leave
    commands = dict.fromkeys(line for result in others_last for line in result.provenance.commands)
    blocks: list[Block] = [table("Where the numbers are from", columns)]
    if commands:
        blocks.append(Commands("The commands, in order", list(commands)))
    text = (
        "The model's hash is of its weights and settings; a commit with +changes had other sources than the revision."
    )
    return Section("How this was made", text, blocks)


def _dates(results: Sequence[ConditionResult]) -> str:
    days = sorted({result.provenance.date[:10] for result in results})
    return days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"


def _revision(commit: str) -> str:
    revision, plus, changes = commit.partition("+")
    return revision[:SHORT] + plus + changes
