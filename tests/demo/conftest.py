"""One small demo, with random weights, made once for the tests that only read it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from unittest.mock import patch

import pytest

from pyserini_dupmae.demo import docstrings
from pyserini_dupmae.demo.run import DemoResult, demo

DOCUMENTS = 60


@pytest.fixture(scope="session", autouse=True)
def _read_once() -> Iterator[None]:
    """The same library is parsed once, which takes seconds."""
    read = docstrings.read
    with patch.object(docstrings, "read", cache(lambda stdlib: tuple(read(stdlib)))):
        yield


@pytest.fixture(scope="session")
def made(tiny_model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoResult]:
    """What `demo` gives for `DOCUMENTS` documents."""
    result = demo(encoder=tiny_model_dir, documents=DOCUMENTS, output=tmp_path_factory.mktemp("demo") / "work")
    yield result
    result.searcher.close()
