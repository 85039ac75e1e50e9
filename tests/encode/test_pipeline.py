"""Items come in order, errors in their place, and nothing is left running."""

import threading
from itertools import count

import pytest

from pyserini_dupmae.encode.pipeline import prefetch


def test_order():
    assert list(prefetch(range(100))) == list(range(100))
    assert list(prefetch([])) == []


def test_an_error_is_raised_after_the_items_before_it():
    def items():
        yield 1
        yield 2
        raise KeyError("here")

    received = prefetch(items())
    assert [next(received), next(received)] == [1, 2]
    with pytest.raises(KeyError, match="here"):
        next(received)


def test_closing_ends_the_thread_and_bounds_what_is_made_ahead():
    made = []
    items = prefetch((made.append(i) or i for i in count()), depth=2)
    assert [next(items) for _ in range(5)] == [0, 1, 2, 3, 4]
    items.close()
    assert len(made) <= 5 + 2 + 2
    assert not any(thread.name == "prefetch" for thread in threading.enumerate())
