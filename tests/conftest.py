"""A small DupMAE model, real documents and queries, and one encoded collection, shared by the whole test session."""

from __future__ import annotations

import ast
import os
import re
import string
import subprocess
import sys
import sysconfig
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

# For the processes that the tests start, too: sums differ in their last digits with another number of threads, and a
# name that is none would be looked for on a network.
os.environ |= {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1"}

import torch
from transformers import BertTokenizer

from pyserini_dupmae.modeling import DupMAEConfig, DupMAEModel
from pyserini_dupmae.util.log import logger
from tests.helpers import RunCommand, tiny_bert, write_jsonl, write_lines

SOURCES = ("argparse.py", "calendar.py", "csv.py", "datetime.py", "_pydatetime.py", "decimal.py", "_pydecimal.py")
SOURCES += ("fractions.py", "gzip.py", "heapq.py", "mailbox.py", "pathlib.py", "random.py", "shutil.py", "socket.py")
SOURCES += ("statistics.py", "tarfile.py", "textwrap.py", "threading.py", "turtle.py", "zipfile.py")
DOCUMENTS = 300
LONGEST = ("test_tiny.py", "test_conditions.py", "test_docs.py", "test_workers.py", "test_command.py", "test_run.py")
LONGEST += ("test_hybrid_command.py", "test_pretrain_command.py", "test_finetune_command.py", "test_milvus.py")
WORDS = 880
SHARED_WARM = "SHARED_WARM_PYTHON"
SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
QUERIES = (
    "parse command line arguments",
    "add a day to a date",
    "draw a circle with the turtle",
    "standard deviation of a sample",
    "copy a directory tree",
    "extract all members of a tar archive",
    "create a listening socket",
    "wrap a paragraph of text to a given width",
    "number of leap years between two years",
    "the greatest common divisor",
    "wait until the thread terminates",
    "read one row of a csv file",
    "choose k unique random elements",
    "delete the message with this key from the mailbox",
    "pop the smallest item off the heap",
    "largest value",
    "return the time zone name",
    "compare two numbers without signalling",
    "pen color",
    "how many seconds",
)

torch.set_num_threads(1)


def _docstrings() -> list[tuple[str, str]]:
    found = []
    for name in SOURCES:
        path = Path(sysconfig.get_path("stdlib"), name)
        if not path.exists():
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and (text := ast.get_docstring(node)):
                found.append((f"{path.stem}.{node.name}:{node.lineno}", text))
    return found


def pytest_configure(config: pytest.Config) -> None:
    """The processes of xdist share one warm Python, which the one that starts them starts."""
    if sys.platform == "linux" and getattr(config.option, "numprocesses", None):
        stack = ExitStack()
        config.add_cleanup(stack.close)
        os.environ[SHARED_WARM] = stack.enter_context(TemporaryDirectory())
        stack.enter_context(_warm(Path(os.environ[SHARED_WARM])))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest, so that no process is left alone with one in the end."""
    first = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: first.get(item.path.name, len(first)))


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """What a command does to the package's logger, with ``--quiet`` or without, ends with the test."""
    level, handlers, propagate = logger.level, list(logger.handlers), logger.propagate
    yield
    logger.handlers, logger.propagate = handlers, propagate
    logger.setLevel(level)


@pytest.fixture(scope="session")
def corpus() -> list[tuple[str, str]]:
    """(docid, text): about 300 docstrings of the standard library, and one empty document."""
    found = _docstrings()
    return [*(found[i * len(found) // DOCUMENTS] for i in range(DOCUMENTS)), ("empty", "")]


@pytest.fixture(scope="session")
def corpus_file(corpus: list[tuple[str, str]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`corpus` as jsonl with ``id`` and ``contents``."""
    path = tmp_path_factory.mktemp("corpus") / "corpus.jsonl"
    return write_jsonl(path, [{"id": docid, "contents": text} for docid, text in corpus])


@pytest.fixture(scope="session")
def topics() -> list[tuple[str, str]]:
    """(qid, text) of 20 queries."""
    return [(str(number), text) for number, text in enumerate(QUERIES, 1)]


@pytest.fixture(scope="session")
def topics_file(topics: list[tuple[str, str]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`topics` as tab-separated text."""
    return write_lines(tmp_path_factory.mktemp("topics") / "topics.tsv", [f"{qid}\t{text}" for qid, text in topics])


@pytest.fixture
def jsonl(tmp_path: Path) -> Callable[..., Path]:
    """``jsonl(records, "name.jsonl")`` writes a file of JSON lines below ``tmp_path``."""

    def write(records: list[Any], name: str = "corpus.jsonl") -> Path:
        return write_jsonl(tmp_path / name, records)

    return write


def _vocabulary() -> dict[str, int]:
    """Special tokens, every character alone and inside a word, and the most frequent words."""
    text = " ".join(text for _, text in _docstrings()).lower()
    counts = Counter(re.findall(r"[a-z0-9]{2,}", text))
    words = sorted(counts, key=lambda word: (-counts[word], word))[:WORDS]
    inside = [f"##{letter}" for letter in string.ascii_lowercase + string.digits]
    characters = string.ascii_lowercase + string.digits + string.punctuation
    return {token: i for i, token in enumerate([*SPECIAL_TOKENS, *characters, *inside, *words])}


def _save_model(folder: Path, ot_head: str) -> Path:
    torch.manual_seed(0)
    vocabulary = _vocabulary()
    tokenizer = BertTokenizer(vocab=vocabulary)
    encoder = tiny_bert(len(vocabulary))
    model = DupMAEModel(
        DupMAEConfig(
            encoder,
            cls_dim=16,
            top_k=24,
            ot_head=ot_head,
            cls_token_id=tokenizer.cls_token_id,
            sep_token_id=tokenizer.sep_token_id,
        )
    )
    # Weights large enough that texts differ and that neither part of a score drowns the other.
    for name, parameter in model.named_parameters():
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, std=0.1 if name == "ot_head.output.weight" else 0.3)
        elif name == "ot_head.output.bias":
            torch.nn.init.constant_(parameter, -2.5)  # most entries of mu are not positive, as in a trained model
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A DupMAE model with random weights: 2 layers of 32, about 1,000 tokens, d' 16, k 24, a masked-LM head."""
    return _save_model(tmp_path_factory.mktemp("models") / "tiny", "mlm")


@pytest.fixture(scope="session")
def linear_model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Like `tiny_model_dir`, with one matrix as W^O."""
    return _save_model(tmp_path_factory.mktemp("models") / "linear", "linear")


@pytest.fixture(scope="session")
def warm_python(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An interpreter that starts at once, see `tests.warm`; where that does not run, the real one."""
    if sys.platform != "linux":
        yield sys.executable
        return
    shared = os.environ.get(SHARED_WARM)
    folder = Path(shared) if shared else tmp_path_factory.mktemp("warm")
    deadline = time.monotonic() + 300
    with nullcontext() if shared else _warm(folder):
        while not os.access(folder / "python", os.X_OK):
            assert time.monotonic() < deadline, "the warm Python does not start"
            time.sleep(0.05)
        yield str(folder / "python")


@contextmanager
def _warm(folder: Path) -> Iterator[None]:
    """The server behind ``folder/python``, which takes some seconds to appear."""
    command = [sys.executable, "-m", "tests.warm", str(folder)]
    with subprocess.Popen(command, cwd=Path(__file__).parent.parent, stdin=subprocess.PIPE):
        yield


@pytest.fixture(scope="session")
def run_command(warm_python: str) -> RunCommand:
    """``run_command("search", "--hits", 10)`` runs a command of the package as a process, which starts at once."""

    def run(command: str, *words: object) -> subprocess.CompletedProcess[str]:
        line = [warm_python, "-m", *f"pyserini_dupmae.{command}".split(), *map(str, words)]
        return subprocess.run(line, capture_output=True, text=True, check=False)

    return run


@pytest.fixture(scope="session")
def encoded(
    tiny_model_dir: Path,
    corpus_file: Path,
    run_command: RunCommand,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """The output folder of the encode command for `corpus_file` and `tiny_model_dir`: store, FAISS and Lucene index."""
    output = tmp_path_factory.mktemp("encoded") / "out"
    words = ["input", "--corpus", corpus_file, "output", "--index", output, "encoder", "--encoder", tiny_model_dir]
    finished = run_command("encode", *words)
    assert finished.returncode == 0, finished.stderr
    return output
