"""From the runs of all shards of a collection to the run that one machine would have written, byte for byte.

A document that is among the first k of the whole collection is among the first k of its shard, so the first k of all
shards' lists, ordered as a search orders them, are those of the collection.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from heapq import merge as merged
from itertools import islice
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

from pyserini_dupmae.data.corpus import shard_range
from pyserini_dupmae.data.runs import FORMS, run_lines
from pyserini_dupmae.search.run import TAG
from pyserini_dupmae.search.shards import ShardRecord
from pyserini_dupmae.util.errors import UserError
from pyserini_dupmae.util.files import atomic_open, require_file


@dataclass(frozen=True)
class MergeResult:
    """What `merge` did: the run, of how many shards with how many documents, and how many queries are not proved."""

    path: Path
    shards: int
    documents: int
    queries: int
    unproved: int

    def __str__(self) -> str:
        unproved = f"; NOT PROVED for {self.unproved}" if self.unproved else ""
        return f"{self.path}: {self.queries} queries over {self.documents} documents in {self.shards} shards{unproved}"


class _Line(NamedTuple):
    docid: str
    score: float


def merge(runs: Sequence[str | os.PathLike], *, output: str | os.PathLike, output_format: str = "trec") -> MergeResult:
    """Join the runs of all shards of a collection into the run of the collection.

    For example, of a store that is searched in two parts::

        import pyserini_dupmae.api as dupmae

        for i in range(2):
            dupmae.search("OUT", topics="topics.tsv", output=f"run.{i}.txt", shard_id=i, shard_num=2)
        print(dupmae.merge(["run.0.txt", "run.1.txt"], output="run.txt"))

    The output is byte for byte that of one search of the whole collection where all hits are proved, as they are unless
    ``certify`` or ``max_depth`` was given. Memory: one query's hits of each shard.

    Args:
        runs: what `search` wrote with ``shard_id`` and ``shard_num``, in any order.
        output: the run to write.
        output_format: ``"trec"`` or ``"msmarco"``, as in `search`.

    Raises:
        UserError: a shard is missing or given twice, two of them are of different collections, models, queries or
            settings, a run has changed or is not that of a shard. Nothing has been written then.
    """
    if output_format not in FORMS:
        raise UserError(f"unknown output format {output_format!r}; choose one of {', '.join(FORMS)}")
    if not runs:
        raise UserError("no run of a shard is given")
    require_file(output, reads=runs)
    found = [(Path(run), ShardRecord.read(Path(run))) for run in runs]
    records = _complete(found)
    first = records[0]
    hits = first.settings["hits"]
    with ExitStack() as stack:
        streams = [stack.enter_context(open(run, encoding="utf-8")) for run, _ in found]
        readers = [_Reader(run, stream) for (run, _), stream in zip(found, streams, strict=True)]
        with atomic_open(output) as written:
            for qid in first.qids:
                lists = [list(reader.take(qid)) for reader in readers]
                _refuse_doubled(qid, lists)
                best = islice(merged(*lists, key=lambda line: (-line.score, line.docid)), hits)
                written.writelines(run_lines(qid, best, output_format, TAG))
    unproved = len({qid for record in records for qid in record.unproved})
    documents = sum(record.documents for record in records)
    return MergeResult(Path(output), len(records), documents, len(first.qids), unproved)


def _complete(found: Sequence[tuple[Path, ShardRecord]]) -> list[ShardRecord]:
    """The records, which are of all shards of one search; else a `UserError`."""
    place, first = found[0]
    by_number: dict[int, Path] = {}
    for run, record in found:
        _require_alike(place, first, run, record)
        if record.shard_id in by_number:
            raise UserError(
                f"{by_number[record.shard_id]} and {run} are both of shard {record.shard_id}; give each once"
            )
        by_number[record.shard_id] = run
    missing = sorted(set(range(first.shard_num)) - set(by_number))
    if missing:
        raise UserError(
            f"of {first.shard_num} shards {len(missing)} are missing: {', '.join(map(str, missing[:20]))}"
            f"{', ...' if len(missing) > 20 else ''}; search them too, and give all runs"
        )
    collections: dict[str, Path] = {}
    for run, record in found:
        if record.collection in collections:
            raise UserError(f"{collections[record.collection]} and {run} are of the same documents; search every shard")
        collections[record.collection] = run
    _require_sizes(found)
    return [record for _, record in found]


def _require_alike(place: Path, first: ShardRecord, run: Path, record: ShardRecord) -> None:
    """Raise `UserError` unless both runs are of one search."""
    first.model.require(record.model, str(run))
    if record.shard_num != first.shard_num:
        raise UserError(f"{run} is of {record.shard_num} shards, but {place} of {first.shard_num}; give those of one")
    for name in sorted({*first.settings, *record.settings}):
        one, other = first.settings.get(name), record.settings.get(name)
        if one != other:
            raise UserError(f"{run} was searched with {name} {other!r}, but {place} with {one!r}; search it again")
    if record.qids != first.qids:
        raise UserError(f"{run} and {place} are of different topics; search all shards with the same")
    if record.queries != first.queries:
        raise UserError(
            f"the queries of {run} differ from those of {place} in their numbers; search with the same options, and on "
            "machines of one kind, since another processor or device encodes a query with other last digits"
        )
    if record.whole != first.whole:
        raise UserError(f"{run} and {place} are of different collections; search the shards of one")


def _require_sizes(found: Sequence[tuple[Path, ShardRecord]]) -> None:
    """Raise `UserError` unless the shards have as many documents as those that one collection is cut into."""
    _, first = found[0]
    total = sum(record.documents for _, record in found)
    if first.whole is not None:
        if total != first.whole[0]:
            raise UserError(f"the shards hold {total} documents, but their collection {first.whole[0]}; search again")
        return
    for run, record in found:
        expected = len(shard_range(total, record.shard_id, record.shard_num))
        if record.documents != expected:
            raise UserError(
                f"{run} is of {record.documents} documents; shard {record.shard_id} of {record.shard_num} of {total} "
                f"has {expected}, so that the shards are not all of one collection; encode them from the same"
            )


class _Reader:
    """The lines of one run, a query at a time, in the order of the run."""

    def __init__(self, path: Path, stream: IO[str]):
        self.path, self._stream = path, stream
        self._next = stream.readline()

    def take(self, qid: str) -> Iterator[_Line]:
        """The lines of ``qid`` where they are the next, else none."""
        start = f"{qid} Q0 "
        while self._next.startswith(start):
            docid, _, score, _ = self._next[len(start) :].rsplit(" ", 3)
            yield _Line(docid, float(np.float32(score)))
            self._next = self._stream.readline()


def _refuse_doubled(qid: str, lists: Sequence[Sequence[_Line]]) -> None:
    docids = [line.docid for lines in lists for line in lines]
    if len(set(docids)) < len(docids):
        doubled = next(docid for docid in docids if docids.count(docid) > 1)
        raise UserError(f"two shards have the document {doubled!r} (query {qid}); give each document once")
