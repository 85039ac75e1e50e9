"""Results of two collections, with everything that a report can show."""

import json
import random

import pytest

from pyserini_dupmae.data.query_records import FoundDocument, QueryRecord, write_queries
from pyserini_dupmae.evaluation.results import (
    ConditionResult,
    IndexStatistics,
    Latency,
    Provenance,
)

MODELS = {"bm25": "", "other": "MiniLM"}
SETTINGS = {"bm25": [{}], "other": [{}], "dense": [{"cls_dim": 16}], "sparse": [{"top_k": 24, "bits": 8}]}
SETTINGS["hybrid"] = [{"cls_dim": 16, "top_k": k, "bits": 8} for k in (24, 6, 12)]


def values_of(draw, queries):
    return {f"q{number}": round(draw.random(), 4) for number in range(queries)}


def mean(values):
    return sum(values.values()) / len(values)


@pytest.fixture
def results():
    """Two collections; Eq. 12 at three k."""
    draw = random.Random(5)
    made = []
    for collection, queries in (("beir-nfcorpus", 40), ("mine & <yours>", 400)):
        for mode, settings in SETTINGS.items():
            for setting in settings:
                per_query = values_of(draw, queries)
                made.append(
                    ConditionResult(
                        condition=f"{collection}.{mode}.{setting.get('top_k', 0)}",
                        collection=collection,
                        topics="test",
                        mode=mode,
                        model=MODELS.get(mode, "tiny"),
                        metrics={"nDCG@10": mean(per_query), "R@100": round(draw.random(), 4)},
                        per_query={"nDCG@10": per_query},
                        paper={"nDCG@10": 0.346} if mode == "hybrid" else {},
                        expected={"R@100": 0.1234} if mode == "sparse" else {},
                        index=IndexStatistics(3633, 1_234_567 + 1000 * setting.get("top_k", 0), 87_192),
                        latency=Latency(7.25 + setting.get("top_k", 0), 12.5),
                        training_log=None if mode in MODELS else "log.jsonl",
                        queries=f"{collection}.{mode}.queries.jsonl",
                        provenance=Provenance(
                            MODELS.get(mode, "abcdef0123456789"),
                            "2026-11-21T10:00:00+00:00",
                            "an abacus",
                            "0123456789abcdef+changes",
                            "0.2.0",
                            (f"dupmae search --mode {mode}", "dupmae evaluate"),
                        ),
                        **setting,
                    )
                )
    return made


@pytest.fixture
def folder(tmp_path, results):
    """The same as files, with a training log and the rankings of every query."""
    for number, result in enumerate(results):
        result.write(tmp_path / "results" / f"{number:02}.result.json")
        parts = {"dense": 1.25, "sparse": 2.5} if result.mode == "hybrid" else {}
        hits = (FoundDocument(f"{result.mode}<1>", 3.75, **parts, words=(("tide", 1.5),), relevance=1),)
        records = [QueryRecord(qid, f"why <{qid}>?", hits) for qid in result.per_query["nDCG@10"]]
        write_queries(tmp_path / "results" / result.queries, records)
    log = [{"step": step, "loss": 10 / (1 + step), "mlm_loss": 0.5, "lr": 1e-4} for step in range(0, 1000)]
    lines = [json.dumps(entry) for entry in [*log, {"step": 1000, "eval_mrr": 0.3}]]
    (tmp_path / "results" / "log.jsonl").write_text("\n".join(lines))
    return tmp_path
