"""Variants that were trained several times from other seeds: means, spread, and paired tests against one of them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev

from pyserini_dupmae.evaluation.comparison import compare
from pyserini_dupmae.evaluation.results import MODE_NAMES, SUFFIX, ConditionResult, read_result
from pyserini_dupmae.evaluation.tables import markdown_table
from pyserini_dupmae.util.errors import UserError
from pyserini_dupmae.util.files import atomic_open

SEEDED = re.compile(r"(?P<variant>.+) seed (?P<seed>\d+)")
"""What results call a model that is one of several of a variant: ``dupmae seed 2``."""


@dataclass(frozen=True)
class Difference:
    """A variant against the baseline on one collection, searched in one way.

    Attributes:
        variant, collection, mode: what is compared.
        by_seed: the difference of the means, seed by seed.
        p: of the paired randomisation test over queries, whose values are averaged over seeds first, after Holm's
            correction over all variants of the same collection and mode.
    """

    variant: str
    collection: str
    mode: str
    by_seed: tuple[float, ...]
    p: float

    @property
    def standard_error(self) -> float:
        """Of the mean of `by_seed`; 0 for a single seed."""
        return stdev(self.by_seed) / len(self.by_seed) ** 0.5 if len(self.by_seed) > 1 else 0.0


@dataclass(frozen=True)
class SeedComparison:
    """``scores``: (variant, collection, mode) -> the metric's mean for each seed. ``differences`` from the baseline."""

    metric: str
    baseline: str
    scores: Mapping[tuple[str, str, str], tuple[float, ...]]
    differences: Sequence[Difference]

    def __str__(self) -> str:
        """Two tables in Markdown: what each variant has, and how far it is from the baseline."""
        rows = [
            [variant, collection, MODE_NAMES[mode], str(len(values)), _spread(values)]
            for (variant, collection, mode), values in self.scores.items()
        ]
        against = [
            [
                d.variant,
                d.collection,
                MODE_NAMES[d.mode],
                f"{mean(d.by_seed):+.4f} ± {d.standard_error:.4f}",
                f"{d.p:.4f}",
            ]
            for d in self.differences
        ]
        first = markdown_table(["variant", "collection", "searched by", "seeds", f"{self.metric}, mean ± sd"], rows)
        second = markdown_table(
            ["variant", "collection", "searched by", f"minus {self.baseline}, mean ± standard error", "p"], against
        )
        return f"{first}\n\n{second}\n" if against else f"{first}\n"


def compare_seeds(
    folders: Iterable[str | os.PathLike],
    *,
    baseline: str,
    output: str | os.PathLike | None = None,
    metric: str = "nDCG@10",
    permutations: int = 10_000,
) -> SeedComparison:
    """Compare variants, each measured with several seeds, with one of them.

    Args:
        folders: each with ``*.result.json`` as `evaluate_model` writes them, whose models are called VARIANT seed N.
        baseline: the variant that all others are compared with; it needs the same seeds as they.
        output: a Markdown file for the tables.
        metric: one that all results have, query by query.
        permutations: of the randomisation test.

    Raises:
        UserError: there are no such results, or some lack the metric, a seed or a query.
    """
    found: dict[tuple[str, str, str], dict[int, ConditionResult]] = {}
    for folder in folders:
        for path in sorted(Path(folder).glob("*" + SUFFIX)):
            result = read_result(path)
            named = SEEDED.fullmatch(result.model)
            if named is None:
                raise UserError(f"{path}: the model is called {result.model!r}, not VARIANT seed N")
            if metric not in result.per_query:
                raise UserError(f"{path} has no {metric} query by query")
            key = named["variant"], " ".join(filter(None, (result.collection, result.topics))), result.mode
            found.setdefault(key, {})[int(named["seed"])] = result
    if not any(variant == baseline for variant, *_ in found):
        variants = ", ".join(sorted({variant for variant, *_ in found})) or "no results at all"
        raise UserError(f"there are no results of {baseline!r}; there are {variants}")
    scores = {key: tuple(of_seed[seed].metrics[metric] for seed in sorted(of_seed)) for key, of_seed in found.items()}
    differences: list[Difference] = []
    for (variant, collection, mode), own in found.items():
        if variant == baseline:
            others = {one: rest for (one, *where), rest in found.items() if where == [collection, mode]}
            differences += _against(collection, mode, baseline, own, others, metric, permutations)
    compared = SeedComparison(metric, baseline, scores, differences)
    if output is not None:
        with atomic_open(output) as stream:
            stream.write(str(compared))
    return compared


def _against(
    collection: str,
    mode: str,
    baseline: str,
    own: Mapping[int, ConditionResult],
    others: Mapping[str, Mapping[int, ConditionResult]],
    metric: str,
    permutations: int,
) -> list[Difference]:
    values = {}
    for variant, of_seed in others.items():
        if set(of_seed) != set(own):
            raise UserError(
                f"{variant} has the seeds {sorted(of_seed)} on {collection}, but {baseline} {sorted(own)}; "
                "measure both with the same"
            )
        queries = [one.per_query[metric] for one in of_seed.values()]
        if any(set(one) != set(queries[0]) for one in queries):
            raise UserError(f"{variant} was not measured on the same queries of {collection} with every seed")
        values[variant] = {metric: {qid: mean(one[qid] for one in queries) for qid in queries[0]}}
    return [
        Difference(
            one.run,
            collection,
            mode,
            tuple(others[one.run][seed].metrics[metric] - own[seed].metrics[metric] for seed in sorted(own)),
            one.p_holm,
        )
        for one in compare(values, baseline, permutations=permutations)
    ]


def _spread(values: Sequence[float]) -> str:
    return f"{mean(values):.4f} ± {stdev(values):.4f}" if len(values) > 1 else f"{values[0]:.4f}"
