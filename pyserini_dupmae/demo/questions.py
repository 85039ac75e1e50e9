"""Questions in other words than the docstrings that answer them: what search by words cannot find.

To change what the demo asks, change `CANDIDATES`: it shows those whose answers its model ranks best.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from pyserini_dupmae.search import DupMAESearcher

CANDIDATES = {
    "how big is my document?": "genericpath.getsize",
    "when did somebody edit this document?": "genericpath.getmtime",
    "does February have 29 days?": "calendar.isleap",
    "is it Friday today?": "datetime.date.weekday",
    "how do I mix a deck of cards?": "random.Random.shuffle",
    "how do I pick an item by chance?": "random.Random.choice",
    "what are the ten highest scores?": "heapq.nlargest",
    "how many processor cores does this machine have?": "multiprocessing.context.BaseContext.cpu_count",
    "is my hard drive full?": "shutil.disk_usage",
    "how do I wipe a folder and everything inside it?": "shutil.rmtree",
    "how do I unpack a compressed folder?": "zipfile.ZipFile.extractall",
    "how do I show somebody a website?": "webbrowser.open",
    "how do I delay a task by a minute?": "threading.Timer",
    "how do I print an amount of money in euros?": "locale.currency",
}
"""Question -> docid of the docstring that answers it."""

SHOWN = 5
DEPTH = 100
FOUND = 10

FUNCTION_WORDS = """
a about after all am an and any are as at be been before but by can could did do does for from get has have how i if in
into is it its many me much my no not of on one or our should so some than that the their them then there these they
this those to up use was we were what when where which while who why will with would you your
"""
SUFFIXES = ("ations", "ation", "ings", "ing", "ied", "ies", "ers", "ed", "er", "es", "ly", "s")
STEM = 3


@dataclass(frozen=True)
class Asked:
    """A question, the docid of its answer, and the ``rank`` of that, from 1; None beyond `DEPTH`."""

    question: str
    docid: str
    rank: int | None


def ask(searcher: DupMAESearcher, documents: Mapping[str, str]) -> list[Asked]:
    """Search for every candidate that shares no word with its answer, if the collection has that; best ranks first."""
    askable = {
        question: docid
        for question, docid in CANDIDATES.items()
        if docid in documents and not shared_words(question, documents[docid])
    }
    found = searcher.batch_search(list(askable), list(askable), DEPTH)
    asked = []
    for question, docid in askable.items():
        docids = [hit.docid for hit in found[question]]
        asked.append(Asked(question, docid, docids.index(docid) + 1 if docid in docids else None))
    return sorted(asked, key=lambda one: one.rank or DEPTH + 1)


def shared_words(question: str, docstring: str) -> list[str]:
    """The content words of a question whose stem stands anywhere in a docstring, be it inside another word.

    >>> shared_words("How do I pick an item?", "Choose a random element.")
    []
    >>> shared_words("How are directories copied?", "Copy a directory tree.")
    ['directories', 'copied']
    """
    text = docstring.lower()
    words = [word for word in re.findall(r"[a-z0-9]+", question.lower()) if word not in FUNCTION_WORDS.split()]
    return [word for word in words if stem(word) in text]


def stem(word: str) -> str:
    """A word without its ending, so that its other forms begin alike.

    >>> stem("directories"), stem("copied"), stem("running")
    ('director', 'cop', 'run')
    """
    for suffix in SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= STEM:
            word = word.removesuffix(suffix)
            break
    if len(word) > STEM and word[-1] in "eiy":
        word = word[:-1]
    return word[:-1] if len(word) > STEM and word[-1] == word[-2] else word
