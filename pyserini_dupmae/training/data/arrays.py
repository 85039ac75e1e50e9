"""From a collection, its negatives and its scores to arrays on disk: each query's rows of documents."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import NamedTuple, overload

import numpy as np

from pyserini_dupmae.data.judged_collection import JudgedCollection
from pyserini_dupmae.data.qrels import judgements, read_qrels
from pyserini_dupmae.training.data.documents import DocumentFiles
from pyserini_dupmae.training.data.listings import Listed, read_negatives, read_scores
from pyserini_dupmae.util.errors import UserError
from pyserini_dupmae.util.files import write_json
from pyserini_dupmae.util.log import logger

RELEVANT = 1
QUERIES = "queries.json"
LINES_AT_A_TIME = 10_000


class Ragged(Sequence[np.ndarray]):
    """One array for each query: item i is ``values[ends[i - 1]:ends[i]]``, a view.

    Args:
        values: (n,), all items one after another.
        ends: (items,) int64, ascending, the last is n.
    """

    def __init__(self, values: np.ndarray, ends: np.ndarray):
        self.values, self.ends = values, ends

    @classmethod
    def grouped(cls, values: np.ndarray, owners: np.ndarray, items: int) -> Ragged:
        """The values (n,) of each owner, a number below ``items``, given ``owners`` (n,) in ascending order."""
        return cls(values, np.searchsorted(owners, np.arange(items), side="right"))

    def __len__(self) -> int:
        return len(self.ends)

    @overload
    def __getitem__(self, item: int) -> np.ndarray: ...

    @overload
    def __getitem__(self, item: slice) -> list[np.ndarray]: ...

    def __getitem__(self, item: int | slice) -> np.ndarray | list[np.ndarray]:
        if isinstance(item, slice):
            return [self[number] for number in range(len(self))[item]]
        item = range(len(self))[item]  # IndexError ends an iteration
        return self.values[self.ends[item - 1] if item else 0 : self.ends[item]]

    @property
    def owners(self) -> np.ndarray:
        """The item that each value belongs to, (n,) int64."""
        return np.repeat(np.arange(len(self)), np.diff(self.ends, prepend=0))

    def take(self, items: np.ndarray) -> Ragged:
        """Some items (m,) ascending; those left out must be empty."""
        return Ragged(self.values, self.ends[items])

    def like(self, values: np.ndarray) -> Ragged:
        """Other values (n,) in items of the same lengths."""
        return Ragged(values, self.ends)

    def save(self, folder: Path, name: str) -> None:
        """Write both arrays to ``folder``."""
        np.save(folder / f"{name}.npy", self.values)
        np.save(folder / f"{name}.ends.npy", self.ends)

    @classmethod
    def load(cls, folder: Path, name: str) -> Ragged:
        """What `save` wrote, memory-mapped."""
        return cls(*(np.load(folder / f"{name}{kind}.npy", mmap_mode="r") for kind in ("", ".ends")))


def write_arrays(
    source: JudgedCollection, documents: DocumentFiles, negatives: Path | None, scores: Path | None, folder: Path
) -> None:
    """Write ids and texts of the queries that have a positive, and their `Ragged` arrays, as `TrainingSet` names them.

    Raises:
        UserError: a line of a file cannot be used, or nothing is left; names file and line.
    """
    topics = source.read_topics()
    positives, relevance = _judged(source, [qid for qid, _ in topics], documents)
    kept = np.flatnonzero(np.diff(positives.ends, prepend=0))
    for number in kept:
        if not topics[number][1]:
            qid = topics[number][0]
            raise UserError(f"{source.place_of(qid)}: the query {qid!r} is empty; give its text")
    if not len(kept):
        raise UserError(f"{source.qrels}: no query has a document of relevance {RELEVANT} or more; nothing to train on")
    logger.info("%s: %d of %d queries have a positive", source.name, len(kept), len(topics))
    arrays = {"positives": positives.take(kept), "relevance": relevance.take(kept)}
    numbers = dict.fromkeys((qid for qid, _ in topics), -1) | {topics[n][0]: i for i, n in enumerate(kept)}
    arrays["negatives"] = _negatives(negatives, arrays["positives"], source, numbers, documents)
    if scores is not None:
        arrays |= _scores(scores, arrays, source, numbers, documents)
    for name, array in arrays.items():
        array.save(folder, name)
    queries = {"query_ids": [topics[number][0] for number in kept], "queries": [topics[number][1] for number in kept]}
    write_json(folder / QUERIES, queries)


def _judged(source: JudgedCollection, query_ids: list[str], documents: DocumentFiles) -> tuple[Ragged, Ragged]:
    """Of each query the rows and the relevance of its positives."""
    qrels = read_qrels(source.qrels)
    if unknown := qrels.keys() - set(query_ids):
        first = next(item for item in judgements(source.qrels) if item.qid in unknown)
        raise UserError(f"{first.where}: there is no query {first.qid!r} in {source.topics or source.name}")
    judged = [(number, *item) for number, qid in enumerate(query_ids) for item in qrels.get(qid, {}).items()]
    owners, docids, relevance = (list(column) for column in zip(*judged, strict=True))
    rows = documents.rows(docids)
    if (rows < 0).any():
        unknown = {docids[place] for place in np.flatnonzero(rows < 0)}
        first = next(item for item in judgements(source.qrels) if item.docid in unknown)
        raise UserError(f"{first.where}: there is no document {first.docid!r} in the corpus of {source.name}")
    relevant = np.array(relevance) >= RELEVANT
    positives = Ragged.grouped(rows[relevant], np.array(owners)[relevant], len(query_ids))
    return positives, positives.like(np.array(relevance)[relevant])


def _negatives(
    path: Path | None, positives: Ragged, source: JudgedCollection, numbers: Mapping[str, int], documents: DocumentFiles
) -> Ragged:
    """Of each query its negatives in the order of the file, each once and no positive among them."""
    if path is None:
        return Ragged(np.zeros(0, np.int64), np.zeros(len(positives), np.int64))
    pairs = _resolve(read_negatives(path), numbers, documents, source.name)
    keys = _keys(pairs.queries, pairs.rows, documents)
    is_positive = _places(keys, np.sort(_keys(positives.owners, positives.values, documents))) >= 0
    if is_positive.any():
        logger.info("%s: %d negatives are positives of their query and are dropped", path, is_positive.sum())
    _, first = np.unique(keys[~is_positive], return_index=True)
    if not len(first):
        raise UserError(f"{path} has no negative for any query of {source.name} that has a positive")
    queries, rows = pairs.queries[~is_positive], pairs.rows[~is_positive]
    first = first[np.lexsort((first, queries[first]))]
    return Ragged.grouped(rows[first], queries[first], len(positives))


def _scores(
    path: Path,
    arrays: Mapping[str, Ragged],
    source: JudgedCollection,
    numbers: Mapping[str, int],
    documents: DocumentFiles,
) -> dict[str, Ragged]:
    """The scores of the positives and negatives in ``arrays``, float32, NaN where the file has none."""
    pairs = _resolve(read_scores(path), numbers, documents, source.name)
    keys, first = np.unique(_keys(pairs.queries, pairs.rows, documents), return_index=True)
    if not len(keys):
        raise UserError(f"{path} has no score for any query of {source.name} that has a positive")
    found = {}
    for name in ("positives", "negatives"):
        wanted = _keys(arrays[name].owners, arrays[name].values, documents)
        scores = np.full(len(wanted), np.nan, np.float32)
        places = _places(wanted, keys)
        scores[places >= 0] = pairs.scores[first[places[places >= 0]]]
        found[f"{name.removesuffix('s')}_scores"] = arrays[name].like(scores)
    if all(np.isnan(array.values).all() for array in found.values()):
        raise UserError(f"{path} has no score of a positive or a negative of {source.name}")
    return found


def _keys(queries: np.ndarray, rows: np.ndarray, documents: DocumentFiles) -> np.ndarray:
    """One number for each pair of a query and a document, (n,) int64."""
    return queries * len(documents) + rows


def _places(wanted: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """The place of each of ``wanted`` (n,) in ``keys`` (m > 0,), which ascend: (n,) int64, -1 where it is not."""
    places = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[places] == wanted, places, -1)


class _Pairs(NamedTuple):
    """Pairs of a query and a document: ``queries`` (n,) int64, ``rows`` (n,) int64, ``scores`` (n,) float32 or NaN."""

    queries: np.ndarray
    rows: np.ndarray
    scores: np.ndarray


def _resolve(lines: Iterable[Listed], numbers: Mapping[str, int], documents: DocumentFiles, source: str) -> _Pairs:
    """The pairs of ``lines`` in their order, without those of queries whose number is -1.

    Args:
        lines: read as a stream.
        numbers: the number of every query of the source.
        documents: those of the source.
        source: its name, for messages.

    Raises:
        UserError: a query or a document that the source does not have.
    """
    lines, parts = iter(lines), []
    while group := list(islice(lines, LINES_AT_A_TIME)):
        for line in group:
            if line.qid not in numbers:
                raise UserError(f"{line.where}: there is no query {line.qid!r} in {source}")
        docids = list(chain.from_iterable(line.docids for line in group))
        lengths = [len(line.docids) for line in group]
        rows = documents.rows(docids)
        if (rows < 0).any():
            unknown = int(np.argmin(rows))
            line = group[int(np.searchsorted(np.cumsum(lengths), unknown, side="right"))]
            raise UserError(f"{line.where}: there is no document {docids[unknown]!r} in {source}")
        scores = chain.from_iterable(line.scores or [math.nan] * len(line.docids) for line in group)
        queries = np.repeat([numbers[line.qid] for line in group], lengths)
        used = queries >= 0
        parts.append((queries[used], rows[used], np.fromiter(scores, np.float32, len(docids))[used]))
    if not parts:
        return _Pairs(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float32))
    return _Pairs(*(np.concatenate(column) for column in zip(*parts, strict=True)))
