"""Draws and combined sets against what the files say."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from pyserini_dupmae.training.data import CombinedTrainingSet, EpochSampling, TrainingSet, load_training_set
from pyserini_dupmae.util.errors import UserError
from tests.helpers import write_jsonl, write_lines

from .conftest import small_beir

NEGATIVES = {"q0": [f"d{number}" for number in range(6, 26)], "q1": ["d3", "d0"], "q3": ["d1"]}


@pytest.fixture
def mined(tmp_path: Path) -> Path:
    lines = [{"query_id": qid, "negatives": docids} for qid, docids in NEGATIVES.items()]
    return write_jsonl(tmp_path / "mined.jsonl", lines)


@pytest.fixture
def texts(tmp_path: Path, cache: Path) -> TrainingSet:
    records = [{"query": "plus", "positives": ["p"], "negatives": ["n", "m"]}]
    return load_training_set(str(write_jsonl(tmp_path / "texts.jsonl", records)), cache)


@pytest.fixture
def both(beir: Path, cache: Path, mined: Path, texts: TrainingSet) -> CombinedTrainingSet:
    return CombinedTrainingSet([texts, load_training_set(str(beir), cache, mined)])


def test_a_combined_set_has_the_texts_of_each(both, texts):
    assert len(both) == 4
    assert both.document_count == 33
    assert [both.query(index) for index in range(4)] == ["plus", "about q0", "about q1", "about q3"]
    assert both.texts(both.positives(0)[0]) == ["p"]
    assert both.texts(both.negatives(0)[0]) == ["n", "m"]
    assert both.texts(both.positives(1)[0]) == ["text of d3", "Title 4 text of d4"]
    assert both.texts([3, 0, 32]) == ["text of d0", *texts.documents.texts([0]), "Title 29 text of d29"]
    assert both.document_range(0) == (0, 3)
    assert both.document_range(3) == (3, 33)


def test_is_positive_agrees_with_the_sets(both):
    rows = np.arange(both.document_count)
    for index in range(len(both)):
        expected = [row in set(both.positives(index)[0].tolist()) for row in rows]
        assert both.is_positive(index, rows).tolist() == expected


def test_a_draw_depends_on_seed_epoch_and_index_alone(both):
    sampling = EpochSampling(both, seed=1, negatives_per_query=4)
    first = {(index, epoch): sampling.draw(index, epoch) for index in range(4) for epoch in range(3)}
    for (index, epoch), draw in reversed(first.items()):
        again = EpochSampling(both, seed=1, negatives_per_query=4).draw(index, epoch)
        assert again.positive == draw.positive
        assert again.negatives.tolist() == draw.negatives.tolist()
        assert draw.scores is None
    assert len({tuple(first[1, epoch].negatives) for epoch in range(3)}) == 3
    assert tuple(EpochSampling(both, seed=2, negatives_per_query=4).draw(1, 0).negatives) != tuple(
        first[1, 0].negatives
    )


def test_each_positive_and_each_negative_to_the_depth_is_drawn_as_often(both):
    draws = [EpochSampling(both, seed=0, negatives_per_query=4, depth=8).draw(1, epoch) for epoch in range(800)]
    positives = Counter(draw.positive for draw in draws)
    assert sorted(positives) == both.positives(1)[0].tolist()
    assert all(abs(count - 400) < 80 for count in positives.values())
    negatives = Counter(np.concatenate([draw.negatives for draw in draws]).tolist())
    assert sorted(negatives) == both.negatives(1)[0][:8].tolist()
    assert all(abs(count - 400) < 80 for count in negatives.values())
    assert all(len(set(draw.negatives.tolist())) == 4 for draw in draws)


def test_random_documents_of_the_same_source_fill_up(both):
    sampling = EpochSampling(both, seed=0, negatives_per_query=5)
    filled = [sampling.draw(2, epoch).negatives for epoch in range(300)]
    for negatives in filled:
        assert len(set(negatives.tolist())) == 5
        assert set(both.negatives(2)[0].tolist()) <= set(negatives.tolist())
        assert not both.is_positive(2, negatives).any()
    assert set(np.concatenate(filled).tolist()) == set(range(3, 33)) - set(both.positives(2)[0].tolist())


def test_a_source_with_too_few_documents_repeats_them(both):
    negatives = EpochSampling(both, seed=0, negatives_per_query=5).draw(0, 0).negatives
    assert len(negatives) == 5
    assert set(both.texts(negatives)) == {"n", "m"}


def test_no_negatives_are_drawn_where_none_are_wanted(both):
    draw = EpochSampling(both, seed=0, negatives_per_query=0).draw(0, 0)
    assert both.texts([draw.positive]) == ["p"]
    assert draw.negatives.shape == (0,)


def test_a_query_for_which_every_document_is_a_positive(tmp_path, cache):
    path = write_jsonl(tmp_path / "texts.jsonl", [{"query": "q", "positives": ["a", "b"]}])
    data = CombinedTrainingSet([load_training_set(str(path), cache)])
    with pytest.raises(UserError, match="every document is a positive of the query 'q'"):
        EpochSampling(data, seed=0, negatives_per_query=1).draw(0, 0)


def scored_set(beir: Path, cache: Path, mined: Path, tmp_path: Path, lines: list[str]) -> TrainingSet:
    return load_training_set(str(beir), cache, mined, write_lines(tmp_path / "scores.tsv", lines))


def test_scored_draws_have_the_scores_of_their_documents(beir, cache, mined, tmp_path, caplog):
    scores = {("q0", "d4"): 9.0, ("q0", "d7"): 1.0, ("q0", "d9"): 2.0, ("q0", "d20"): 3.0, ("q1", "d4"): 4.0}
    scores |= {("q1", "d0"): 5.0, ("q3", "d29"): 6.0}
    lines = [f"{qid} {docid} {score}" for (qid, docid), score in scores.items()]
    data = scored_set(beir, cache, mined, tmp_path, lines)
    with caplog.at_level("INFO", "pyserini_dupmae"):
        combined = CombinedTrainingSet([data], scored=True)
    assert "1 queries lack a scored positive or a scored negative and are left out" in caplog.text
    assert [combined.query(index) for index in range(len(combined))] == ["about q0", "about q1"]
    seen = set()
    for epoch in range(50):
        for index, qid in enumerate(("q0", "q1")):
            draw = EpochSampling(combined, seed=3, negatives_per_query=2, depth=2).draw(index, epoch)
            drawn = [data.documents.docid(int(row)) for row in (draw.positive, *draw.negatives)]
            assert draw.scores.tolist() == [scores[qid, docid] for docid in drawn]
            assert draw.scores.dtype == np.float32
            seen |= {(qid, docid) for docid in drawn}
    assert seen == scores.keys() - {("q0", "d20"), ("q3", "d29")}  # beyond the depth, and left out
    assert combined.is_positive(0, np.arange(30)).nonzero()[0].tolist() == [3, 4]


def test_scores_that_are_missing(beir, cache, mined, tmp_path):
    with pytest.raises(UserError, match=r"needs the teacher's scores of .*; give them with --scores"):
        CombinedTrainingSet([load_training_set(str(beir), cache, mined)], scored=True)
    data = scored_set(beir, cache, mined, tmp_path, ["q0 d3 1", "q1 d3 1"])
    with pytest.raises(UserError, match=r"no query of .* has a scored positive and a scored negative"):
        CombinedTrainingSet([data], scored=True)


def test_two_sources_may_have_the_same_docids(tmp_path, cache):
    folders = [small_beir(tmp_path / name) for name in ("one", "two")]
    combined = CombinedTrainingSet([load_training_set(str(folder), cache) for folder in folders])
    assert combined.positives(0)[0].tolist() == [3, 4]
    assert combined.positives(3)[0].tolist() == [33, 34]
    assert combined.is_positive(3, np.array([3, 4, 33, 34])).tolist() == [False, False, True, True]


def test_queries_without_negatives_are_left_out_where_they_are_needed(beir, cache, tmp_path, caplog):
    mined = write_jsonl(tmp_path / "some.jsonl", [{"query_id": "q1", "negatives": ["d20"]}])
    data = load_training_set(str(beir), cache, mined)
    with caplog.at_level("INFO", "pyserini_dupmae"):
        combined = CombinedTrainingSet([data], mined=True)
    assert [combined.query(index) for index in range(len(combined))] == ["about q1"]
    assert f"{len(data.queries) - 1} queries have no hard negative and are left out" in caplog.text
    with pytest.raises(UserError, match=r"has no hard negatives; give those of training.mine with --negatives"):
        CombinedTrainingSet([load_training_set(str(beir), cache)], mined=True)
