"""What is printed for a number, by how far it is from what is expected."""

from __future__ import annotations

import pytest

from pyserini_dupmae.experiments.checks import Status, check_expected, check_scores, check_statistics, mean_scores
from pyserini_dupmae.experiments.schema import Condition, Header

PYTHON = "3.11.7"
FOUND = {"documents": 1000, "postings": 5000, "weights": 123456, "dimension": 16}


def _condition(**more: object) -> Condition:
    base = {"name": "c", "description": "c", "collection": "c", "model": "m", "topics": {"dev": ["nDCG@10"]}}
    return Condition.model_validate({**base, "tolerance": {"scores": 0.002, "statistics": 0.01}, **more})


@pytest.mark.parametrize(
    ("expected", "line"),
    [
        (None, "[NEW]   dev nDCG@10 0.4102 (paper: 0.42)"),
        (0.4102, "[OK]    dev nDCG@10 0.4102 (paper: 0.42)"),
        (0.4121, "[OKish] dev nDCG@10 expected 0.4121 got 0.4102 (paper: 0.42)"),
        (0.4123, "[FAIL]  dev nDCG@10 expected 0.4123 got 0.4102 (paper: 0.42)"),
        (0.4082, "[FAIL]  dev nDCG@10 expected 0.4082 got 0.4102 (paper: 0.42)"),
    ],
)
def test_a_score(expected: float | None, line: str) -> None:
    measured = None if expected is None else {"scores": {"dev": {"nDCG@10": expected}}}
    condition = _condition(paper={"dev": {"nDCG@10": 0.42}}, expected=measured)
    (check,) = check_scores(condition, {"dev": {"nDCG@10": 0.410249}}, PYTHON)
    assert str(check) == line


def test_statistics() -> None:
    condition = _condition(expected={"statistics": {"postings": 5000, "weights": 123000, "dimension": 32}})
    assert [str(check) for check in check_statistics(condition, None, FOUND, PYTHON)] == [
        "[NEW]   index documents 1000",
        "[OK]    index postings 5000",
        "[OKish] index weights expected 123000 got 123456",
        "[FAIL]  index dimension expected 32 got 16",
    ]


def test_the_published_number_of_documents_is_expected_even_of_a_new_condition() -> None:
    checks = list(check_statistics(_condition(tolerance={"statistics": 0}), 1001, FOUND, PYTHON))
    assert [check.status for check in checks] == [Status.FAIL, Status.NEW, Status.NEW, Status.NEW]


def test_expected_by_python() -> None:
    scores = {"scores": {"dev": {"nDCG@10": 0.5}}}
    condition = _condition(expected_by_python={"3.11.7": scores, "3.11": {**scores, "tolerance": {"scores": 0.1}}})

    def status(python: str, got: float) -> Status:
        (check,) = check_scores(condition, {"dev": {"nDCG@10": got}}, python)
        return check.status

    assert status("3.11.7", 0.55) is Status.FAIL
    assert status("3.11.8", 0.55) is Status.OKISH
    assert status("3.11.8", 0.65) is Status.FAIL
    assert status("3.12.1", 0.55) is Status.NEW


def test_mean() -> None:
    members = [{"dev": {"nDCG@10": 0.25}}, {"dev": {"nDCG@10": 0.75}}]
    assert mean_scores(_condition(), members) == {"dev": {"nDCG@10": 0.5}}


def test_what_is_expected_and_was_not_measured_fails() -> None:
    header = Header.model_validate({"expected": {"scores": {"here": {"AP": 0.5, "RR@10": 0.25}, "gone": {"AP": 0.5}}}})
    checks = check_expected(header, {"here": {"AP": 0.5, "nDCG@10": 1.0}}, PYTHON)
    assert [(str(check).rstrip(), check.failed) for check in checks] == [
        ("[OK]    here AP 0.5000", False),
        ("[FAIL]  here RR@10 expected 0.2500 got nan", True),
        ("[FAIL]  gone AP expected 0.5000 got nan", True),
    ]
