"""The record of one measured condition: a file ``*.result.json`` that run matrices and sweeps write and reports read.

    {"condition": "nfcorpus", "collection": "nfcorpus", "topics": "dev", "model": "dupmae", "mode": "hybrid",
     "metrics": {"nDCG@10": 0.31}, "per_query": {"nDCG@10": {"PLAIN-1": 0.4, ...}}, "paper": {}, "expected": {},
     "cls_dim": 384, "top_k": 384, "bits": 8, "query_terms": 64,
     "index": {"documents": 3633, "bytes": 9000000, "postings": 1300000},
     "latency": {"mean_ms": 21.5, "median_ms": 20.0, "p95_ms": 40.1, "queries_per_second": 46.0},
     "provenance": {"model_hash": "9f2c...", "date": "2026-11-21T10:00:00+00:00", "hardware": "Xeon, 2 cores", ...},
     "training_log": "training.jsonl", "queries": "nfcorpus.dev.queries.jsonl"}

Everything after ``metrics`` may be left out.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, field, replace
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import ConfigDict, Field, NonNegativeInt, PositiveFloat, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from pyserini_dupmae.util.errors import UserError
from pyserini_dupmae.util.files import atomic_open

Text = Annotated[str, Field(min_length=1)]
Mode = Annotated[str, Field(pattern="^(bm25|other|dense|sparse|hybrid)$")]
MODE_NAMES = {"bm25": "BM25", "other": "", "dense": "[CLS]", "sparse": "bag of words", "hybrid": "Eq. 12"}
"""What users call the modes, in the order in which they are shown; another model's name is all there is to say."""
OTHERS = ("bm25", "other")
"""Modes of what is no DupMAE."""

MEAN_TOLERANCE = 1e-6
SUFFIX, QUERIES_SUFFIX = ".result.json", ".queries.jsonl"
TRAINING_LOG = "training.jsonl"
"""In the folder of a trained model: a line for each that was logged, with its step."""

FORM = ConfigDict(extra="forbid", allow_inf_nan=False)


@dataclass(frozen=True, config=FORM)
class IndexStatistics:
    """``documents``, ``bytes`` on disk of what this mode searches, and ``postings`` of its impact index."""

    documents: NonNegativeInt
    bytes: NonNegativeInt
    postings: NonNegativeInt | None = None


@dataclass(frozen=True, config=FORM)
class Latency:
    """Of a search, without encoding the query unless the producer says so: milliseconds a query, and queries/s."""

    mean_ms: PositiveFloat
    p95_ms: PositiveFloat | None = None
    queries_per_second: PositiveFloat | None = None
    median_ms: PositiveFloat | None = None

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Latency:
        """Of queries that took so many ``seconds`` each, one after the other."""
        median, slow = (1000 * float(value) for value in np.percentile(seconds, (50, 95)))
        average = float(np.mean(seconds))
        return cls(1000 * average, slow, 1 / average, median)


@dataclass(frozen=True, config=FORM)
class Provenance:
    """How a record came about; what is not known is empty.

    Attributes:
        model_hash: of the model's weights and settings.
        date: when the record was written, as ISO 8601 has it.
        hardware: the processor, its cores, memory and GPUs, as a reader wants it.
        commit: the revision of the package's sources, with ``+changes`` when they differ from it.
        version: of the package.
        commands: what led to the record, in order, ready to paste.
    """

    model_hash: str = ""
    date: str = ""
    hardware: str = ""
    commit: str = ""
    version: str = ""
    commands: tuple[str, ...] = ()


@dataclass(frozen=True, config=FORM)
class ConditionResult:
    """What one condition gave on one topic set.

    Attributes:
        condition: its name; with ``topics``, unique among the results of a folder.
        collection, topics: what was searched, and with which queries ("" when the collection has one set only).
        model: the encoder's name; BM25 has none.
        mode: [CLS] alone (dense), the bag of words alone (sparse), Eq. 12 (hybrid), BM25, or another ``model``.
        metrics: metric -> mean over queries; charts show the first.
        per_query: metric -> query id -> value; its mean is the one in ``metrics``.
        paper: metric -> the DupMAE paper's value for this condition.
        expected: metric -> the value that this project has measured before.
        cls_dim, top_k, bits: d', k and the bits of a weight, where the mode has them.
        query_terms: how many entries of mu_q count, the largest; None: all.
        provenance: how it came about.
        training_log: a JSONL file of ``{"step": ..., "loss": ...}``, relative to the folder of this record.
        queries: a file of `pyserini_dupmae.data.query_records`, likewise.
        mean_of: the conditions whose mean this is.
    """

    condition: Text
    collection: Text
    mode: Mode
    metrics: Annotated[dict[Text, float], Field(min_length=1)]
    model: str = ""
    topics: str = ""
    per_query: dict[str, dict[str, float]] = field(default_factory=dict)
    paper: dict[str, float] = field(default_factory=dict)
    expected: dict[str, float] = field(default_factory=dict)
    cls_dim: int | None = None
    top_k: int | None = None
    bits: int | None = None
    query_terms: int | None = None
    index: IndexStatistics | None = None
    latency: Latency | None = None
    provenance: Provenance = field(default_factory=Provenance)
    training_log: str | None = None
    queries: str | None = None
    mean_of: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for metric, values in self.per_query.items():
            if not values or metric not in self.metrics:
                raise ValueError(f"per_query of {metric} needs at least one query and a mean in metrics")
            average = sum(values.values()) / len(values)
            if abs(average - self.metrics[metric]) > MEAN_TOLERANCE:
                raise ValueError(f"metrics has {metric} = {self.metrics[metric]}, but per_query's mean is {average}")

    def write(self, path: str | os.PathLike) -> None:
        """Write the record as JSON; metrics keep their order."""
        with atomic_open(path) as stream:
            json.dump(asdict(self), stream, indent=1, ensure_ascii=False)
            stream.write("\n")


def read_result(path: Path) -> ConditionResult:
    """Read one record; the files that it names come back as paths from here. Raises `UserError`, naming the field."""
    try:
        found = TypeAdapter(ConditionResult).validate_json(path.read_bytes())
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "the record"
        raise UserError(f"{path}: {where}: {first['msg']}; `pydoc {__name__}` has the form") from None
    log, queries = (None if file is None else str(path.parent / file) for file in (found.training_log, found.queries))
    return replace(found, training_log=log, queries=queries)


def read_results(folder: str | os.PathLike) -> list[ConditionResult]:
    """Every record below ``folder``, by name. Raises `UserError` for none, a malformed one, or a condition twice."""
    folder = Path(folder)
    if not folder.is_dir():
        raise UserError(f"there is no folder {folder}; give the one that holds *{SUFFIX}")
    places: dict[tuple[str, str], Path] = {}
    results = []
    for path in sorted(folder.rglob("*" + SUFFIX)):
        found = read_result(path)
        key = found.condition, found.topics
        if key in places:
            raise UserError(f"{path}: condition {' '.join(key)} is already in {places[key]}; keep one of them")
        places[key] = path
        results.append(found)
    if not results:
        raise UserError(f"{folder} holds no results (*{SUFFIX})")
    return results
