"""The docstring collection, from a library written for the test and from the running Python's."""

from __future__ import annotations

import ast
import sysconfig
from pathlib import Path

import pytest

from pyserini_dupmae.demo.docstrings import build, read

LONG = "It goes on with many more words that say what it does and when and why nobody else would ever do it like this."
MODULE = f'''"""A module about tides."""

import does_not_exist


class Moon:
    """Pull the water of the seas.

    {LONG}
    """

    async def rise(self):
        """Rise above the horizon."""

        def inner():
            """Inner doubts."""

    def rise(self):
        """Rise once more."""


def undocumented():
    return 1


def ebb():
    """   """
'''


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """A standard library of one module, with much beside it that is not to be read."""
    (tmp_path / "tides.py").write_text(MODULE, encoding="utf-8")
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").write_text('"""A package."""', encoding="utf-8")
    for folder in ("site-packages", "test", "package/tests", "tkinter", "config-3.11-x86_64-linux-gnu"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "other.py").write_text('"""Not to be read."""', encoding="utf-8")
    for name in ("_sysconfigdata__linux_x86_64-linux-gnu.py", "sitecustomize.py", "notes.txt"):
        (tmp_path / name).write_text('"""Not to be read."""', encoding="utf-8")
    return tmp_path


def test_one_document_per_definition(library):
    assert [(doc.docid, doc.summary) for doc in read(library)] == [
        ("package", "A package."),
        ("tides", "A module about tides."),
        ("tides.Moon", "Pull the water of the seas."),
        ("tides.Moon.rise", "Rise above the horizon."),
        ("tides.Moon.rise.inner", "Inner doubts."),
        ("tides.Moon.rise#2", "Rise once more."),
    ]


def test_the_summary_is_held_out_of_its_document(library):
    collection = build(stdlib=library)
    assert collection.queries == {"tides.Moon": "Pull the water of the seas."}
    assert collection.documents["tides.Moon"] == LONG
    assert collection.documents["tides.Moon.rise"] == "Rise above the horizon."


def test_a_repeated_summary_or_remainder_is_not_asked_for(library):
    other = f'def b():\n    """Quite another first line.\n\n    {LONG}\n    """\n'
    copies = f'def a():\n    """Pull the water of the seas."""\n\n{other}'
    (library / "copies.py").write_text(copies, encoding="utf-8")
    assert build(stdlib=library).queries == {}


def test_the_running_python():
    collection = build()
    assert len(collection.documents) > 5000
    assert len(collection.queries) == 1000
    assert all(docid in collection.documents for docid in collection.queries)
    assert build() == collection
    source = Path(sysconfig.get_path("stdlib"), "textwrap.py").read_text(encoding="utf-8")
    (dedent,) = (node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef) and node.name == "dedent")
    assert collection.documents["textwrap.dedent"] in ast.get_docstring(dedent)
    for docid, summary in collection.queries.items():
        assert summary not in collection.documents[docid]


def test_a_smaller_collection_keeps_what_is_asked_for():
    collection = build(queries=30, documents=200)
    assert len(collection.queries) == 30
    assert len(collection.documents) == 200
    assert collection.queries.keys() <= collection.documents.keys()
