"""The run of one shard of a collection, and the file beside it that says what it is the run of.

``RUN.shard.json`` holds everything that has to agree between the shards of one search, and everything by which a shard
that is missing, doubled or changed is told. Scores are compared as they are, so they have to come from equal numbers:
the digest of the encoded queries differs where two machines have encoded them with other last digits.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyserini_dupmae.data.topics import Topic
from pyserini_dupmae.modeling.identity import ModelIdentity
from pyserini_dupmae.modeling.query_encoder import EncodedQuery
from pyserini_dupmae.util.digests import combined, digest
from pyserini_dupmae.util.errors import UserError
from pyserini_dupmae.util.files import write_json

if TYPE_CHECKING:
    from pyserini_dupmae.search.searcher import DupMAESearcher

FORMAT = 1
SUFFIX = ".shard.json"


class QueriesDigest:
    """Over the queries of a search, in their order: their ids, and a hash of their numbers to the last bit."""

    def __init__(self) -> None:
        self.qids: list[str] = []
        self._hash = hashlib.sha256()

    def add(self, topics: Iterable[Topic], queries: Iterable[EncodedQuery]) -> None:
        """Take some queries more."""
        for (qid, _), query in zip(topics, queries, strict=True):
            self.qids.append(qid)
            self._hash.update(f"{len(query.token_ids)} {qid}\n".encode())
            self._hash.update(query.cls.astype("<f4").tobytes())
            self._hash.update(query.token_ids.astype("<i8").tobytes())
            self._hash.update(query.weights.astype("<f4").tobytes())

    def hexdigest(self) -> str:
        return self._hash.hexdigest()


@dataclass(frozen=True)
class ShardRecord:
    """What the run of one shard is the run of.

    Attributes:
        shard_id, shard_num: which shard, from 0, of how many.
        documents, collection: how many documents it has, and what tells them from others.
        whole: where a store that holds every shard was cut: ``[documents, collection]`` of all of it.
        model: what encoded documents and queries.
        settings: what has to be the same for all shards of a search: options by name, and ``dtype``, ``top_k`` and
            ``idf`` of the documents.
        qids: every query, in the order of the run.
        queries: the hash of their numbers.
        unproved: the queries whose ranking is not proved.
        run: SHA-256 of the run's bytes.
    """

    shard_id: int
    shard_num: int
    documents: int
    collection: str
    whole: list[Any] | None
    model: ModelIdentity
    settings: dict[str, Any]
    qids: list[str]
    queries: str
    unproved: list[str]
    run: str

    @classmethod
    def of(
        cls,
        searcher: DupMAESearcher,
        shard: tuple[int, int],
        settings: dict[str, Any],
        queries: QueriesDigest,
        unproved: Sequence[str],
        run: Path,
    ) -> ShardRecord:
        """The record of a run that ``searcher`` has given."""
        exact = searcher.engines.exact
        return cls(
            *shard,
            documents=len(exact.store),
            collection=exact.store.digest(),
            whole=searcher.engines.whole,
            model=exact.store.model,
            settings={**settings, "dtype": exact.store.dtype, "top_k": exact.top_k, "idf": exact.store.idf},
            qids=queries.qids,
            queries=queries.hexdigest(),
            unproved=list(unproved),
            run=combined(digest(run)),
        )

    def write(self, run: Path) -> None:
        """Write it beside the run."""
        write_json(record_path(run), {"format": FORMAT, **asdict(self)})

    @classmethod
    def read(cls, run: Path) -> ShardRecord:
        """The record of a run; `UserError` when it has none, or is not the run that the record was written for."""
        path = record_path(run)
        if not run.is_file():
            raise UserError(f"there is no run {run}; search that shard, or wait until it is done")
        try:
            value: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            if value.pop("format") != FORMAT:
                raise UserError(f"{path} is of another format version; search that shard again")
            record = cls(**{**value, "model": ModelIdentity(**value["model"])})
        except FileNotFoundError:
            raise UserError(
                f"{run} is not the run of a shard (no {path.name}); search with --shard-id and --shard-num"
            ) from None
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(f"{path} is damaged ({error}); search that shard again") from None
        if combined(digest(run)) != record.run:
            raise UserError(f"{run} has changed since it was written; search shard {record.shard_id} again")
        return record


def record_path(run: Path) -> Path:
    """Where the record of a run lies."""
    return run.with_name(run.name + SUFFIX)
