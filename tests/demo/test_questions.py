"""The questions share no word with their answers; their ranks are those of the whole ranking."""

from __future__ import annotations

import pytest

from pyserini_dupmae.demo import questions
from pyserini_dupmae.demo.docstrings import build
from pyserini_dupmae.demo.questions import CANDIDATES, SHOWN, ask, shared_words, stem
from pyserini_dupmae.demo.run import DemoResult
from pyserini_dupmae.demo.systems import added


def test_no_candidate_shares_a_word_with_its_answer():
    documents = build().documents
    there = {question: docid for question, docid in CANDIDATES.items() if docid in documents}
    assert len(there) >= 2 * SHOWN  # some functions are not in every version of Python
    assert {question: shared_words(question, documents[docid]) for question, docid in there.items()} == {
        question: [] for question in there
    }


@pytest.mark.parametrize(
    ("question", "docstring", "shared"),
    [
        ("How do I mix cards?", "Shuffle list x in place.", []),
        ("How do I shuffle cards?", "Shuffle list x in place.", ["shuffle"]),
        ("Which cards were shuffled?", "Shuffle list x in place.", ["shuffled"]),
        ("Which tree is copied?", "Copy a directory.", ["copied"]),
        ("copy", "copytree(src, dst)", ["copy"]),
        ("Who runs it?", "Running a command.", ["runs"]),
    ],
)
def test_words_are_compared_by_their_stems(question, docstring, shared):
    assert shared_words(question, docstring) == shared


@pytest.mark.parametrize("forms", ["copy copies copied copying", "run runs running", "directory directories"])
def test_forms_of_a_word_have_one_stem(forms):
    assert len({stem(word) for word in forms.split()}) == 1


@pytest.mark.slow
def test_ranks(made: DemoResult, monkeypatch):
    docids = [hit.docid for hit in made.searcher.search("zzz qqq", len(made.collection.documents))]
    asked = {"zzz qqq": docids[6], "zzz": "is.not.there", "qqq zzz": docids[0]}
    monkeypatch.setattr(questions, "CANDIDATES", asked)
    found = ask(made.searcher, made.collection.documents)
    assert {one.question for one in found} == {"zzz qqq", "qqq zzz"}
    assert {one.question: one.rank for one in found}["zzz qqq"] == 7
    ranks = [one.rank for one in found]
    assert ranks == sorted(ranks)
    shown = type(made)(made.folder, made.collection, made.scores, found, made.searcher).questions()
    assert shown.startswith("2 questions share no word with the docstring that answers them; ")
    assert ["zzz", "qqq", docids[6], "7"] in [line.split() for line in shown.splitlines()]


def test_added_runs_by_hand():
    first = {"1": {"a": 12.0, "b": 7.0, "c": 2.0}, "2": {"a": 1.0}}
    second = {"1": {"c": 0.9, "d": 0.1}, "3": {"d": 0.5, "e": 0.25}}
    assert added(first, second) == {
        "1": {"a": 1.0, "b": 0.5, "c": 1.0, "d": 0.0},
        "2": {"a": 0.0},
        "3": {"d": 1.0, "e": 0.0},
    }
