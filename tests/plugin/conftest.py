"""Pyserini's commands, and what Eq. 12 gives for the shared collection by brute force."""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
import torch

from pyserini_dupmae import DupMAEModel

Run = dict[str, list[tuple[str, float]]]
PYSERINI = tuple(map(int, version("pyserini").split(".")[:2]))
collect_ignore = [] if PYSERINI >= (2, 1) else ["test_server.py"]


@pytest.fixture(scope="session")
def python() -> Callable[..., subprocess.CompletedProcess]:
    """Runs Python in a process of its own, as a user does."""
    return _runner(sys.executable)


@pytest.fixture(scope="session")
def quick_python(warm_python: str) -> Callable[..., subprocess.CompletedProcess]:
    """The same, of the Python that starts at once."""
    return _runner(warm_python)


def _runner(python: str) -> Callable[..., subprocess.CompletedProcess]:
    def run(*arguments: object, **environment: str) -> subprocess.CompletedProcess:
        command = [python, *map(str, arguments)]
        return subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=False)

    return run


@pytest.fixture(scope="session")
def read_run() -> Callable[[Path], Run]:
    """Reads a TREC run, query id -> (docid, score) in the order of the file, and checks its ranks."""

    def read(path: Path) -> Run:
        run: Run = {}
        for line in path.read_text(encoding="utf-8").splitlines():
            qid, _, docid, rank, score, _ = line.split()
            run.setdefault(qid, []).append((docid, float(score)))
            assert int(rank) == len(run[qid])
        return run

    return read


@pytest.fixture
def pyserini_command(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Runs ``python -m MODULE ...`` inside this process, which has the JVM already."""

    def run(module: str, *arguments: object) -> None:
        monkeypatch.setattr(sys, "argv", [module, *map(str, arguments)])
        runpy.run_module(module, run_name="__main__", alter_sys=True)

    return run


@pytest.fixture(scope="session")
def parts(
    tiny_model_dir: Path, corpus: list[tuple[str, str]], topics: list[tuple[str, str]]
) -> tuple[np.ndarray, np.ndarray]:
    """The two parts of Eq. 12 for every query and document, float64: (Q, D) each."""
    model = DupMAEModel.from_pretrained(tiny_model_dir)
    queries = model.encode_texts([text for _, text in topics], model.config.query_max_length, full_bow=True)
    dense, sparse = [], []
    for start in range(0, len(corpus), 32):
        documents = model.encode_texts([text for _, text in corpus[start : start + 32]])
        dense.append(queries.cls.double() @ documents.cls.double().T)
        matched = queries.bow.double()[:, documents.token_ids]  # (Q, 32, k)
        sparse.append((matched * documents.weights.double()).sum(dim=-1))
    return torch.cat(dense, dim=1).numpy(), torch.cat(sparse, dim=1).numpy()


@pytest.fixture(scope="session")
def scores(
    parts: tuple[np.ndarray, np.ndarray], corpus: list[tuple[str, str]], topics: list[tuple[str, str]]
) -> dict[str, dict[str, float]]:
    """query id -> docid -> Eq. 12."""
    docids = [docid for docid, _ in corpus]
    return {qid: dict(zip(docids, row, strict=True)) for (qid, _), row in zip(topics, sum(parts), strict=True)}
