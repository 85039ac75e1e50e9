"""A test collection from the standard library of the Python it runs in: real text, nothing to download.

A document is the docstring of a module, class or function. A query is the summary line of a docstring, and the one
document that answers it is that docstring, from which the line was taken out. The sources are parsed, never imported,
and what distributions leave out or patch is not read, so equal Python versions give equal collections.
"""

from __future__ import annotations

import ast
import os
import re
import sysconfig
import tokenize
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from random import Random

# Left out by Debian or only there, optional at build time, written at build time, or tests.
SKIPPED_FOLDERS = {"site-packages", "dist-packages", "lib-dynload", "test", "tests", "__pycache__", "macholib"}
SKIPPED_FOLDERS |= {"idlelib", "tkinter", "turtledemo", "lib2to3", "distutils", "ensurepip", "venv", "pydoc_data"}
SKIPPED_FILES = re.compile(r"_sysconfigdata.*|_distutils_system_mod|site|sysconfig|sitecustomize|usercustomize")

DEFINITIONS = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
BLOCKS = ("body", "handlers", "orelse", "finalbody", "cases")
"""Where a node has statements, and so definitions; expressions, which are most of a tree, have none."""

QUERY_WORDS = 4
"""A summary line of fewer words asks for nothing in particular."""

ANSWER_WORDS = 20
"""A docstring of which fewer words remain without its summary line is not looked for."""

QUERIES = 1000
SEED = 0


@dataclass(frozen=True)
class Docstring:
    """``docid`` is the dotted name, with ``#2`` and so on behind a name that is defined again."""

    docid: str
    text: str

    @cached_property
    def summary(self) -> str:
        """The first line."""
        return self.text.partition("\n")[0].strip()

    @cached_property
    def remainder(self) -> str:
        """What follows the first line."""
        return self.text.partition("\n")[2].strip()


@dataclass(frozen=True)
class Collection:
    """``documents`` and ``queries`` map ids to texts; a query's id is the docid of its answer."""

    documents: dict[str, str]
    queries: dict[str, str]


def build(queries: int = QUERIES, documents: int | None = None, stdlib: Path | None = None) -> Collection:
    """The collection of ``stdlib`` (default: the running Python's), with a fixed sample of at most ``queries`` queries.

    Only the documents that a query of the sample asks for lack their summary line. ``documents`` limits the collection
    to them and an even choice of the others.
    """
    docstrings = list(read(stdlib or Path(sysconfig.get_path("stdlib"))))
    askable = sorted(_askable(docstrings), key=lambda docstring: docstring.docid)
    asked = {docstring.docid for docstring in Random(SEED).sample(askable, min(queries, len(askable)))}
    kept = asked | _evenly([doc.docid for doc in docstrings if doc.docid not in asked], documents, len(asked))
    return Collection(
        documents={
            doc.docid: doc.remainder if doc.docid in asked else doc.text for doc in docstrings if doc.docid in kept
        },
        queries={doc.docid: doc.summary for doc in docstrings if doc.docid in asked},
    )


def _evenly(docids: list[str], limit: int | None, needed: int) -> set[str]:
    wanted = len(docids) if limit is None else min(len(docids), max(0, limit - needed))
    return {docids[i * len(docids) // wanted] for i in range(wanted)}


def read(stdlib: Path) -> Iterator[Docstring]:
    """Every docstring below the folder ``stdlib``, by file name and then by line."""
    seen: Counter[str] = Counter()
    for path in sorted(_sources(stdlib), key=lambda path: path.relative_to(stdlib).parts):
        parts = path.relative_to(stdlib).with_suffix("").parts
        if _is_skipped(parts[-1]) or (len(parts) == 1 and SKIPPED_FILES.fullmatch(parts[0])):
            continue
        module = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        for name, text in _docstrings(_parse(path), module):
            seen[name] += 1
            yield Docstring(name if seen[name] == 1 else f"{name}#{seen[name]}", text)


def _sources(stdlib: Path) -> Iterator[Path]:
    """Python files; what is installed beside the library, which may be far more, is not walked through."""
    for folder, folders, names in os.walk(stdlib):
        folders[:] = [name for name in folders if not _is_skipped(name)]
        yield from (Path(folder, name) for name in names if name.endswith(".py"))


def _is_skipped(name: str) -> bool:
    return name in SKIPPED_FOLDERS or name.startswith("config-")


def _parse(path: Path) -> ast.Module:
    with tokenize.open(path) as stream, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # old escape sequences in the sources
        return ast.parse(stream.read())


def _docstrings(node: ast.AST, name: str) -> Iterator[tuple[str, str]]:
    if isinstance(node, (ast.Module, *DEFINITIONS)) and (text := (ast.get_docstring(node) or "").strip()):
        yield name, text
    for block in BLOCKS:
        for child in getattr(node, block, ()):
            yield from _docstrings(child, f"{name}.{child.name}" if isinstance(child, DEFINITIONS) else name)


def _askable(docstrings: list[Docstring]) -> Iterator[Docstring]:
    """Docstrings with a summary line, as PEP 257 has it, that is their own, and enough text that is their own."""
    lines = Counter(line for doc in docstrings for line in {_normal(line) for line in doc.text.splitlines()})
    remainders = Counter(_normal(doc.remainder) for doc in docstrings)
    for doc in docstrings:
        if (
            doc.text.startswith(f"{doc.summary}\n\n")
            and len(_words(doc.summary)) >= QUERY_WORDS
            and len(_words(doc.remainder)) >= ANSWER_WORDS
            and lines[_normal(doc.summary)] == 1
            and _normal(doc.summary) not in _normal(doc.remainder)
            and remainders[_normal(doc.remainder)] == 1
        ):
            yield doc


def _words(text: str) -> list[str]:
    return re.findall(r"[A-Za-z]{2,}", text)


def _normal(text: str) -> str:
    return " ".join(_words(text)).lower()
