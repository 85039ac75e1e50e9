"""Mining against brute force on the encoded test collection."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pyserini_dupmae.modeling.query_encoder import EncodedQuery
from pyserini_dupmae.search.searcher import DupMAESearcher
from pyserini_dupmae.training.mine import run
from pyserini_dupmae.util.errors import UserError
from tests.helpers import RunCommand
from tests.search.exhaustive import Documents, brute_force
from tests.training.mine.conftest import POSITIVES, write_source

Compute = Callable[..., dict[str, list[str]]]


def _mine(encoded: Path, model: Path, source: Path, output: Path, **more: Any) -> run.MiningResult:
    return run.mine(index=encoded, encoder=model, data=source, output=output, cache=source.parent / "cache", **more)


def _mined(path: Path) -> dict[str, list[str]]:
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return {line["query_id"]: line["negatives"] for line in lines}


@pytest.fixture(scope="session")
def expected(
    documents: Documents,
    queries: list[EncodedQuery],
    topics: list[tuple[str, str]],
    documents_to_mine: list[tuple[str, str]],
) -> Compute:
    """Computes what should be mined, one document after another, from scores of every document."""
    texts = {docid: " ".join(text.lower().split()) for docid, text in documents_to_mine}
    docids = list(texts)

    def compute(mode: str = "hybrid", depth: int = 200) -> dict[str, list[str]]:
        found = {}
        for (qid, _), query in zip(topics, queries, strict=True):
            if qid not in POSITIVES:
                continue
            said = {texts[docids[number]] for number in POSITIVES[qid]}
            found[qid] = []
            for docid, _ in brute_force(documents, query, mode, depth):
                if texts[docid] not in said:
                    said.add(texts[docid])
                    found[qid].append(docid)
        return found

    return compute


@pytest.mark.parametrize(("mode", "depth"), [("hybrid", 200), ("hybrid", 7), ("dense", 50), ("sparse", 50)])
def test_negatives_are_the_hits_in_order_without_positives_and_duplicates(
    mode: str, depth: int, encoded: Path, tiny_model_dir: Path, source: Path, expected: Compute, tmp_path: Path
) -> None:
    output = tmp_path / "negatives.jsonl"
    _mine(encoded, tiny_model_dir, source, output, mode=mode, depth=depth)
    mined = _mined(output)
    assert mined == expected(mode, depth)
    assert list(mined) == list(POSITIVES)
    if depth == 200:  # some positives, copies of them, and copies of negatives were among the hits
        assert any(len(negatives) < depth - len(POSITIVES[qid]) for qid, negatives in mined.items())


def test_engine_and_threads_change_no_negative(
    encoded: Path, tiny_model_dir: Path, source: Path, tmp_path: Path
) -> None:
    written = set()
    for number, more in enumerate(({"engine": "scan"}, {"engine": "lists", "threads": 1}, {"threads": 3})):
        _mine(encoded, tiny_model_dir, source, tmp_path / f"{number}.jsonl", depth=30, **more)
        written.add((tmp_path / f"{number}.jsonl").read_bytes())
    assert len(written) == 1


def test_what_is_certified_is_what_is_proved(
    encoded: Path, tiny_model_dir: Path, source: Path, expected: Compute, tmp_path: Path, short_lists: None
) -> None:
    """Of the other hits some may be missing, where lists are not deep enough."""
    done = _mine(encoded, tiny_model_dir, source, tmp_path / "o.jsonl", depth=40, certify=5, engine="lists")
    assert done.unproved == 0
    proved = expected(depth=5)
    for qid, negatives in _mined(tmp_path / "o.jsonl").items():
        assert negatives[: len(proved[qid])] == proved[qid]
        assert len(negatives) > len(proved[qid])
    with pytest.raises(UserError, match=r"certify \(41\) cannot exceed hits \(40\)"):
        _mine(encoded, tiny_model_dir, source, tmp_path / "p.jsonl", depth=40, certify=41)


def test_the_hardest_are_skipped(
    encoded: Path, tiny_model_dir: Path, source: Path, expected: Compute, tmp_path: Path
) -> None:
    output = tmp_path / "negatives.jsonl"
    _mine(encoded, tiny_model_dir, source, output, skip=5, depth=20, batch_size=4)
    assert _mined(output) == {qid: negatives[5:] for qid, negatives in expected("hybrid", 20).items()}


def test_hits_that_the_teacher_puts_near_the_lowest_positive_are_left_out(
    encoded: Path, tiny_model_dir: Path, source: Path, expected: Compute, corpus: list, tmp_path: Path
) -> None:
    first, second, scores = tmp_path / "first.jsonl", tmp_path / "second.jsonl", tmp_path / "scores.tsv"
    _mine(encoded, tiny_model_dir, source, first, depth=50)
    docids = [docid for docid, _ in corpus]
    lines = []
    for qid, negatives in expected(depth=50).items():
        positives = [docids[number] for number in POSITIVES[qid]]
        # The best positive has 9, the last 5; none of query 7 has a score.
        lines += [f"{qid}\t{docid}\t{9 if i == 0 and len(positives) > 1 else 5}\n" for i, docid in enumerate(positives)]
        lines = [line for line in lines if not line.startswith("7\t")]
        lines += [f"{qid}\t{docid}\t{place % 5 + 0.5}\n" for place, docid in enumerate(negatives[:30])]
    scores.write_text("".join(lines))
    filtering = {"negatives": first, "scores": scores, "max_score_margin": 1.5}
    done = _mine(encoded, tiny_model_dir, source, second, depth=60, **filtering)
    scored = {qid: negatives[:30] for qid, negatives in expected(depth=50).items()}
    for qid, negatives in expected(depth=60).items():
        high = {docid for place, docid in enumerate(scored[qid]) if place % 5 + 0.5 > 5 - 1.5 and qid != "7"}
        assert _mined(second)[qid] == [docid for docid in negatives if docid not in high]
        assert bool(high) == (qid != "7")
    left_out = sum(len(expected(depth=60)[qid]) - len(_mined(second)[qid]) for qid in POSITIVES)
    assert (done.queries, done.mined, done.left_out) == (len(POSITIVES), len(POSITIVES), left_out)


def test_a_sample_of_the_queries_has_the_negatives_of_all(
    encoded: Path, tiny_model_dir: Path, source: Path, expected: Compute, tmp_path: Path
) -> None:
    output = tmp_path / "some.jsonl"
    _mine(encoded, tiny_model_dir, source, output, queries=5, seed=3)
    some, every = _mined(output), expected()
    assert len(some) == 5
    assert some == {qid: every[qid] for qid in every if qid in some}


def test_work_that_was_begun_goes_on_with_the_same_settings_only(
    encoded: Path,
    tiny_model_dir: Path,
    source: Path,
    expected: Compute,
    topics: list,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What decides the negatives is among the settings; how many queries are searched at a time is not."""
    output = tmp_path / "negatives.jsonl.gz"
    monkeypatch.setattr(run, "QUERIES_A_PART", 2)
    rank = DupMAESearcher.rank

    def interrupted(self: DupMAESearcher, queries: list[str], *more: int) -> object:
        if topics[6][1] in queries:
            raise KeyboardInterrupt
        return rank(self, queries, *more)

    monkeypatch.setattr(DupMAESearcher, "rank", interrupted)
    arguments = {"index": encoded, "encoder": tiny_model_dir, "data": source, "output": output}
    arguments["cache"] = source.parent / "cache"
    with pytest.raises(KeyboardInterrupt):
        run.mine(**arguments, batch_size=1)
    monkeypatch.setattr(DupMAESearcher, "rank", rank)
    for changed, message in (
        ({"depth": 100}, "depth 200, not 100"),
        ({"queries": 5}, "queries 6, not 5"),
        ({"queries": 6, "seed": 1, "mode": "dense"}, "mode 'hybrid', not 'dense'"),
        ({"skip": 1}, "skip 0, not 1"),
    ):
        with pytest.raises(UserError, match=f"was begun with {message}"):
            run.mine(**arguments, **changed)
    done = run.mine(**arguments, batch_size=7, threads=2)
    assert (done.queries, done.mined, done.unproved) == (6, 4, 0)
    assert [json.loads(line) for line in gzip.decompress(output.read_bytes()).splitlines()] == [
        {"query_id": qid, "negatives": negatives} for qid, negatives in expected().items()
    ]


def test_an_index_of_other_documents_is_refused(
    encoded: Path, tiny_model_dir: Path, corpus: list, topics: list, tmp_path: Path
) -> None:
    source = write_source(tmp_path / "beir", corpus[:200], dict(topics), {"1": [corpus[0][0]]})
    with pytest.raises(UserError, match=f"holds the document '{corpus[200][0]}', but .* has none of that id"):
        _mine(encoded, tiny_model_dir, source, tmp_path / "out.jsonl")
    assert not list(tmp_path.glob("out.jsonl*"))


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"mode": "both"}, "unknown mode 'both'"),
        ({"skip": -1}, "--skip must be at least 0"),
        ({"max_score_margin": 1.0}, "belong together"),
        ({"output": "negatives.txt"}, r"must end in \.jsonl"),
        ({"index": "/no/such/index"}, "no DupMAE index in /no/such/index"),
    ],
)
def test_mistakes_are_named(
    more: dict[str, Any], message: str, encoded: Path, tiny_model_dir: Path, source: Path, tmp_path: Path
) -> None:
    arguments = {"index": encoded, "encoder": tiny_model_dir, "data": source, "output": tmp_path / "out.jsonl"}
    with pytest.raises(UserError, match=message):
        run.mine(**{**arguments, "cache": source.parent / "cache", **more})


def _options(encoded: Path, model: Path, source: Path, output: Path, *more: str) -> list[str]:
    options = ["--index", encoded, "--encoder", model, "--data", source, "--output", output]
    return [str(option) for option in (*options, "--cache", source.parent / "cache", *more)]


def test_the_command_writes_what_the_function_does(
    encoded: Path, tiny_model_dir: Path, source: Path, run_command: RunCommand, tmp_path: Path
) -> None:
    more = ["--depth", "30", "--skip", "2", "--mode", "sparse", "--queries", "4", "--seed", "5", "--threads", "1"]
    more += ["--engine", "scan"]
    options = _options(encoded, tiny_model_dir, source, tmp_path / "command.jsonl.gz", *more)
    place = options.index("--encoder")
    del options[place : place + 2]  # the index names it
    finished = run_command("training.mine", *options)
    assert finished.returncode == 0, finished.stderr
    assert "negatives of 4 queries, 4 of them mined" in finished.stdout
    assert "engine scan: all 301 documents are scored, as asked for" in finished.stderr
    same = {"depth": 30, "skip": 2, "mode": "sparse", "queries": 4, "seed": 5}
    _mine(encoded, tiny_model_dir, source, tmp_path / "function.jsonl.gz", **same)
    assert (tmp_path / "command.jsonl.gz").read_bytes() == (tmp_path / "function.jsonl.gz").read_bytes()


def test_a_model_that_did_not_encode_the_index_exits_with_status_2(
    encoded: Path, linear_model_dir: Path, source: Path, run_command: RunCommand, tmp_path: Path
) -> None:
    finished = run_command("training.mine", *_options(encoded, linear_model_dir, source, tmp_path / "out.jsonl"))
    assert finished.returncode == 2
    assert "was built with another model: its ot_head" in finished.stderr
    assert "Traceback" not in finished.stderr


def test_parts_of_the_queries_one_after_another_are_all_of_them(
    encoded: Path, tiny_model_dir: Path, source: Path, tmp_path: Path
) -> None:
    whole = tmp_path / "whole.jsonl"
    _mine(encoded, tiny_model_dir, source, whole, depth=30)
    parts = [tmp_path / f"{i}.jsonl" for i in range(4)]
    for i, part in enumerate(parts):
        _mine(encoded, tiny_model_dir, source, part, depth=30, shard_id=i, shard_num=4)
    assert b"".join(part.read_bytes() for part in parts) == whole.read_bytes()
    with pytest.raises(UserError, match="--shard-num is 7, but there are 6 queries"):
        _mine(encoded, tiny_model_dir, source, tmp_path / "none.jsonl", shard_num=7)
