"""The Python API: what it exports, and that importing it costs nothing."""

from __future__ import annotations

import subprocess
import sys

import pytest

import pyserini_dupmae.api as dupmae

HEAVY = ("torch", "transformers", "faiss", "jnius", "pyserini", "numpy")
IMPORT = """
import sys, time
start = time.perf_counter()
import pyserini_dupmae.api
print(time.perf_counter() - start, *(name for name in {heavy!r} if name in sys.modules))
"""


def test_importing_it_is_quick_and_loads_nothing_heavy():
    measured = []
    for _ in range(3):  # the quickest of three: other processes may hold the disk
        command = [sys.executable, "-c", IMPORT.format(heavy=HEAVY)]
        seconds, *loaded = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
        assert loaded == []
        measured.append(float(seconds))
    assert min(measured) < 0.2


def test_every_home_is_exported_and_dir_lists_it():
    assert sorted(dupmae._HOMES) == dupmae.__all__ == dir(dupmae)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        dupmae.nonsense  # noqa: B018
