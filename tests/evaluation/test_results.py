"""Records of conditions: what is written is read, and what cannot be used is named."""

import json

import pytest

from pyserini_dupmae.evaluation.results import ConditionResult, IndexStatistics, Latency, read_results
from pyserini_dupmae.util.errors import UserError

WHOLE = ConditionResult(
    condition="nfcorpus",
    collection="nfcorpus",
    topics="dev",
    mode="hybrid",
    model="dupmae",
    metrics={"nDCG@10": 0.25, "AP": 0.1},
    per_query={"nDCG@10": {"1": 0.5, "2": 0.0}},
    paper={"nDCG@10": 0.346},
    expected={"nDCG@10": 0.25},
    cls_dim=384,
    top_k=260,
    bits=8,
    index=IndexStatistics(documents=10, bytes=1000, postings=2600),
    latency=Latency(mean_ms=2.5, p95_ms=4.0),
)


def test_round_trip_below_the_folder(tmp_path):
    WHOLE.write(tmp_path / "deep" / "nfcorpus.result.json")
    (tmp_path / "deep" / "provenance.json").write_text("{}")
    found = read_results(tmp_path)
    assert found == [WHOLE]
    assert list(found[0].metrics) == ["nDCG@10", "AP"]
    assert read_results(tmp_path)[0].training_log is None


def test_training_log_is_relative_to_the_record(tmp_path):
    record = {"condition": "a", "collection": "c", "mode": "sparse", "metrics": {"AP": 1}}
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "a.result.json").write_text(json.dumps({**record, "training_log": "../log.jsonl"}))
    assert read_results(tmp_path)[0].training_log == str(tmp_path / "runs" / ".." / "log.jsonl")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"mode": "cls"}, "mode: String should match pattern '^(bm25|other|dense|sparse|hybrid)$'"),
        ({"metrics": {}}, "metrics: "),
        ({"metrics": {"AP": float("nan")}}, "metrics.AP: "),
        ({"condition": ""}, "condition: "),
        ({"index": {"bytes": -1, "documents": 3}}, "index.bytes: "),
        ({"speed": 3}, "speed: "),
        ({"per_query": {"AP": {"1": 0.5}}}, "metrics has AP = 1.0, but per_query's mean is 0.5"),
        ({"per_query": {"RR": {"1": 0.5}}}, "per_query of RR needs"),
    ],
)
def test_bad_fields_are_named(tmp_path, change, says):
    record = {"condition": "a", "collection": "c", "mode": "sparse", "metrics": {"AP": 1.0}, **change}
    (tmp_path / "a.result.json").write_text(json.dumps(record))
    with pytest.raises(UserError) as error:
        read_results(tmp_path)
    assert "a.result.json: " in str(error.value)
    assert says in str(error.value)


def test_bad_folders(tmp_path):
    with pytest.raises(UserError, match="there is no folder"):
        read_results(tmp_path / "absent")
    with pytest.raises(UserError, match="holds no results"):
        read_results(tmp_path)
    (tmp_path / "a.result.json").write_text("{")
    with pytest.raises(UserError, match="Invalid JSON"):
        read_results(tmp_path)
    WHOLE.write(tmp_path / "a.result.json")
    WHOLE.write(tmp_path / "b.result.json")
    with pytest.raises(UserError, match=r"b\.result\.json: condition nfcorpus dev is already in .*a\.result\.json"):
        read_results(tmp_path)
