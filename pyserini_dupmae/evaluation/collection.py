"""Search a collection and measure, in one step and in memory: no run file is written or read.

`measure_search` takes anything that ranks documents; `measure_searcher` an opened `DupMAESearcher`, which it asks for
Eq. 12 and for each part alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

from pyserini_dupmae.data.qrels import Qrels
from pyserini_dupmae.data.query_records import SHOWN_HITS, FoundDocument, QueryRecord
from pyserini_dupmae.data.runs import Run
from pyserini_dupmae.evaluation.measures import DEFAULT_METRICS, Values, mean, measure
from pyserini_dupmae.util.machine import cores
from pyserini_dupmae.util.progress import Progress

if TYPE_CHECKING:
    from pyserini_dupmae.modeling.query_encoder import EncodedQuery
    from pyserini_dupmae.search.engines import Engines
    from pyserini_dupmae.search.milvus_engine import MilvusEngine
    from pyserini_dupmae.search.ranking import Ranking
    from pyserini_dupmae.search.searcher import DupMAESearcher

MODES = ("dense", "sparse", "hybrid")
ENCODED_TOGETHER = 1024  # the more, the more queries there are of one length


class Hit(Protocol):
    """A document found, as Pyserini's searchers and `DupMAESearcher` give it."""

    @property
    def docid(self) -> str: ...

    @property
    def score(self) -> float: ...


Search = Callable[[Sequence[Any], int], Iterable[Iterable[Hit]]]
"""Queries and how many hits to find -> the hits of each query, best first."""


@dataclass(frozen=True)
class Measured:
    """What a search gave.

    Attributes:
        run: its documents; a query without any is not in it.
        values: metric -> query id -> value, for every judged query.
        seconds: how long each batch took.
        shown: query id -> its first hits.
    """

    run: Run
    values: Values
    seconds: list[float] = field(repr=False)
    shown: dict[str, list[FoundDocument]] = field(repr=False)

    @property
    def means(self) -> dict[str, float]:
        """metric -> mean over the judged queries."""
        return {metric: mean(of_metric) for metric, of_metric in self.values.items()}

    def queries(self, texts: Mapping[str, str]) -> Iterator[QueryRecord]:
        """What a report shows of each query; ``texts`` has the queries by id."""
        for qid, hits in self.shown.items():
            yield QueryRecord(qid, texts[qid], tuple(hits))


def measure_search(
    search: Search,
    topics: Iterable[tuple[str, Any]],
    qrels: Qrels,
    *,
    metrics: Sequence[str] = DEFAULT_METRICS,
    hits: int = 1000,
    remove_query: bool = False,
    batch_size: int = 32,
    warm_up: int = 0,
    name: str = "run",
) -> Measured:
    """Search every topic and measure what is found.

    Args:
        search: finds the hits of several queries. Only the call is timed, not the iteration over what it returns.
        topics: pairs of query id and query, in whatever form ``search`` takes queries.
        qrels: query id -> docid -> relevance.
        metrics: as in `measure`.
        hits: documents a query.
        remove_query: leave out the document that has the query's own id.
        batch_size: queries that ``search`` gets at a time; 1 for the time of each.
        warm_up: so many queries, from the first, are searched once before: their results are not used.
        name: what messages call the run.

    Raises:
        UserError: a metric that does not exist.

    >>> from collections import namedtuple
    >>> Found = namedtuple("Found", "docid score")
    >>> same = lambda queries, hits: [[Found("d1", 2.0), Found("d2", 1.0)][:hits] for _ in queries]
    >>> measure_search(same, [("q", "why?")], {"q": {"d2": 1}}, metrics=["RR@10"]).means
    {'RR@10': 0.5}
    """
    pairs = list(topics)
    wanted = hits + remove_query
    for _, query in pairs[:warm_up]:
        search([query], wanted)
    scores: dict[str, dict[str, float]] = {}
    shown: dict[str, list[FoundDocument]] = {}
    seconds = []
    with Progress(f"searching, {name}", len(pairs), "queries") as progress:
        for start in range(0, len(pairs), batch_size):
            batch = pairs[start : start + batch_size]
            before = time.perf_counter()
            found = search([query for _, query in batch], wanted)
            seconds.append(time.perf_counter() - before)
            for (qid, _), of_query in zip(batch, found, strict=True):
                kept = [hit for hit in of_query if not (remove_query and hit.docid == qid)][:hits]
                if kept:
                    scores[qid] = {hit.docid: hit.score for hit in kept}
                shown[qid] = [_judged(hit, qrels.get(qid, {})) for hit in kept[:SHOWN_HITS]]
            progress.update(len(batch))
    run = Run(scores, {qid: list(range(1, len(kept) + 1)) for qid, kept in scores.items()}, name)
    return Measured(run, measure(run, qrels, metrics), seconds, shown)


def search_with(engines: Engines | MilvusEngine, mode: str, threads: int | None = None) -> Search:
    """A search for `measure_search` that takes encoded queries; its first hits have their parts and words.

    Args:
        engines: opened for ``mode``: "dense", "sparse" or "hybrid".
        threads: threads that search (default: one for each core that the process may use).
    """
    from pyserini_dupmae.search.explanation import explained_hits

    ranker = engines.ranker(mode)

    def hits(query: EncodedQuery, ranking: Ranking) -> list[Hit]:
        return [*explained_hits(engines, mode, query, ranking), *engines.hits(ranking)[SHOWN_HITS + 1 :]]

    def search(queries: Sequence[Any], k: int) -> Iterable[Iterable[Hit]]:
        return map(hits, queries, ranker.search(queries, k, threads=threads or cores()))

    return search


def measure_searcher(
    searcher: DupMAESearcher,
    topics: Iterable[tuple[str, Any]],
    qrels: Qrels,
    *,
    metrics: Sequence[str] = DEFAULT_METRICS,
    hits: int = 1000,
    modes: Sequence[str] = MODES,
    remove_query: bool = False,
    batch_size: int = 32,
    threads: int | None = None,
) -> dict[str, Measured]:
    """Measure a searcher by Eq. 12 and by each of its parts alone; mode -> what it gave.

    The queries are encoded once, and the open indexes serve every mode. The rankings of a mode are those of a searcher
    that is opened in this mode.

    Args:
        searcher: opened in the mode "hybrid", or in the one mode asked for.
        topics: pairs of query id and query, as text or already encoded.
        modes: "dense" ([CLS] alone), "sparse" (bag of words alone), "hybrid" (Eq. 12).
        threads: threads that search (default: one for each core that the process may use).

    The other arguments are those of `measure_search`.

    Raises:
        UserError: an unknown mode, one for which the searcher has no index, or a metric that does not exist.
    """
    pairs = list(topics)
    searches = {mode: search_with(searcher.engines, mode, threads) for mode in modes}
    encoded: list[tuple[str, EncodedQuery]] = []
    with Progress("encoding queries", len(pairs), "queries") as progress:
        for start in range(0, len(pairs), ENCODED_TOGETHER):
            part = pairs[start : start + ENCODED_TOGETHER]
            found = searcher.encode([query for _, query in part])
            encoded += [(qid, one) for (qid, _), one in zip(part, found, strict=True)]
            progress.update(len(part))
    measured = {}
    for mode, search in searches.items():
        measured[mode] = measure_search(
            search,
            encoded,
            qrels,
            metrics=metrics,
            hits=hits,
            remove_query=remove_query,
            batch_size=batch_size,
            name=mode,
        )
    return measured


def _judged(hit: Hit, judgements: Mapping[str, int]) -> FoundDocument:
    found = hit if isinstance(hit, FoundDocument) else FoundDocument(hit.docid, hit.score)
    return replace(found, relevance=max(0, judgements.get(hit.docid, 0)))
