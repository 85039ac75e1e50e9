"""The examples of README and docs/: each is run on a small collection, or its options are parsed where it needs more.

A block of Python or shell is run in a folder that its page has to itself, after the page's earlier blocks. One with
``<!-- parse -->`` on the line before it needs a large collection, a GPU or a network: its commands are parsed only.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import pytest

from pyserini_dupmae.__main__ import COMMANDS
from tests.helpers import write_jsonl, write_lines

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^(<!-- parse -->\n)?```(python|shell)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
QUICK = {"api"}
DOCUMENTS = 12


class Block(NamedTuple):
    """An example: ``line`` is where its text begins, ``run`` whether it is more than parsed."""

    line: int
    language: str
    text: str
    run: bool


def blocks(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    return [
        Block(text.count("\n", 0, match.start(3)) + 1, match[2], match[3], match[1] is None)
        for match in BLOCK.finditer(text)
    ]


def commands(text: str) -> Iterator[tuple[str, list[str]]]:
    """(module of the package, its words) of each command of the package in a shell block."""
    for line in text.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        while "&&" in words:
            words, rest = words[: words.index("&&")], words[words.index("&&") + 1 :]
            yield from commands(shlex.join(words))
            words = rest
        if words and Path(words[0]).name == "dupmae":
            yield COMMANDS[words[1]][0], words[2:]
        modules = [i + 1 for i, word in enumerate(words[:-1]) if word == "-m"]
        if modules and words[modules[0]].startswith("pyserini_dupmae."):
            yield words[modules[0]].removeprefix("pyserini_dupmae."), words[modules[0] + 1 :]


def parse(module: str, words: list[str]) -> None:
    """Parse a command's options without running it."""
    name = f"pyserini_dupmae.{module}".removesuffix(".__main__")
    found = import_module(name)
    if hasattr(found, "__path__"):
        found = import_module(f"{name}.__main__")
    parser = "parser"
    if module.startswith("training.teacher"):
        parser, words = f"{words[0]}_parser", words[1:]
    getattr(found, parser)().parse_args(words)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_option_exists(page: Path, capsys: pytest.CaptureFixture[str]):
    for block in blocks(page):
        if block.language == "python":
            compile(block.text, page.name, "exec")
            continue
        for module, words in commands(block.text):
            try:
                parse(module, words)
            except SystemExit:
                pytest.fail(f"{page.name}:{block.line}: {module} {shlex.join(words)}: {capsys.readouterr().err}")


@pytest.fixture
def folder(tmp_path: Path, corpus: list[tuple[str, str]], tiny_model_dir: Path, topics_file: Path) -> Path:
    """What the examples read: a small collection, topics, judgements, and a model."""
    records = [{"id": docid, "contents": text} for docid, text in corpus[:DOCUMENTS]]
    write_jsonl(tmp_path / "corpus.jsonl", records)
    shutil.copy(topics_file, tmp_path / "topics.tsv")  # a copy: a page may write its own
    (tmp_path / "MODEL").symlink_to(tiny_model_dir)
    write_lines(tmp_path / "qrels.txt", [f"{qid} 0 {corpus[qid % DOCUMENTS][0]} 1" for qid in range(1, 21)])
    return tmp_path


def prepared(page: Path, encoded: Path) -> str:
    """Lines of shell that make what other pages have made before this one."""
    lines = []
    if page.stem in ("search", "plugin", "sweep-and-report"):
        lines.append(f"cp -r {encoded} OUT")  # a copy: a page may build indexes anew
    if page.stem == "training-from-python":
        words = "--documents 40 --train-queries 24 --dev-queries 8 --passages 60"
        lines.append(f"python -m pyserini_dupmae.training.run.generate --output data {words}")
        lines.append("cp data/text.txt .")
    return "\n".join(lines)


def script_of(page: Path, docid: str) -> str:
    """A shell script that runs the page's blocks in order; adjacent Python blocks are one program."""
    lines, program = ["set -e"], ""
    for block in [block for block in blocks(page) if block.run]:
        if block.language == "python":
            program += block.text
            continue
        if program:
            lines.append(f"python - <<'END_OF_EXAMPLE'\n{program}END_OF_EXAMPLE")
            program = ""
        lines.append(block.text.replace("DOCID", shlex.quote(docid)))
    if program:
        lines.append(f"python - <<'END_OF_EXAMPLE'\n{program}END_OF_EXAMPLE")
    return "\n".join(lines)


RUN = [page for page in PAGES if page.name != "index.md" and any(block.run for block in blocks(page))]


@pytest.mark.parametrize(
    "page", [pytest.param(page, id=page.stem, marks=[pytest.mark.slow] * (page.stem not in QUICK)) for page in RUN]
)
def test_every_example_runs(
    page: Path, folder: Path, encoded: Path, corpus: list[tuple[str, str]], warm_python: str
) -> None:
    script = "\n".join([prepared(page, encoded), script_of(page, corpus[7][0])])
    environment = os.environ | {
        "PATH": f"{Path(warm_python).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
        "XDG_CACHE_HOME": str(folder / "cache"),
    }
    command = ["bash", "-c", script]
    finished = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, f"{page.name}: {finished.stdout[-2000:]}{finished.stderr[-3000:]}"


@pytest.mark.slow
def test_python_and_the_commands_write_the_same_run(
    folder: Path, encoded: Path, corpus: list[tuple[str, str]], warm_python: str
) -> None:
    """The first page does the same by commands and from Python, and says that the files are equal."""
    page = ROOT / "docs" / "index.md"
    test_every_example_runs(page, folder, encoded, corpus, warm_python)
    assert (folder / "run.txt").read_bytes() == (folder / "run2.txt").read_bytes()
    shards = sorted((folder / "OUT" / "store").iterdir())
    assert [(folder / "FROM_PYTHON" / "store" / shard.name).read_bytes() for shard in shards] == [
        shard.read_bytes() for shard in shards
    ]
