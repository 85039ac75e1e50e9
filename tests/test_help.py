"""The help of every command: quick to come, with an example, its own options first, and defaults in one form."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import pyserini_dupmae
from pyserini_dupmae.training.command import TRAINERS_OPTIONS

PACKAGE = Path(pyserini_dupmae.__file__).parent
HEAVY = ("torch", "transformers", "faiss", "jnius", "pyserini", "sentence_transformers", "datasets")
ASK = """
import contextlib, importlib, io, json, sys
for module, words in json.load(sys.stdin):
    before = set(sys.modules)
    main = importlib.import_module(module).main
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed):
            main([*words, "--help"])
        status = None
    except SystemExit as end:
        status = end.code
    heavy = [name for name in {heavy!r} if name in sys.modules.keys() - before]
    print(json.dumps([module, words, status, printed.getvalue(), heavy]))
"""


def subcommands(parser: Any) -> Iterator[str]:
    """The words that may follow a command and have a help of their own."""
    yield from getattr(parser, "groups", ())
    for action in getattr(parser, "_actions", ()):
        if action.choices and not action.option_strings:
            yield from action.choices


def commands() -> Iterator[tuple[str, list[str]]]:
    """(module, words) of each command of the package and of each of its subcommands."""
    for path in sorted(PACKAGE.rglob("*.py")):
        if "\ndef parser()" in path.read_text("utf-8"):
            name = ".".join([PACKAGE.name, *path.relative_to(PACKAGE).with_suffix("").parts])
            yield name, []
            yield from ((name, [word]) for word in subcommands(import_module(name).parser()))


COMMANDS = list(commands())


def option_lines(text: str) -> list[str]:
    """What a help says of each option: in one line each, without line breaks."""
    return [" ".join(block.split()) for block in re.split(r"\n(?=  -)", text)[1:]]


@pytest.fixture(scope="module")
def helps() -> dict[str, tuple[int | None, str, list[str]]]:
    """'module words' -> status, what was printed, and the heavy modules that this loaded."""
    script = ASK.format(heavy=HEAVY)
    given = json.dumps(COMMANDS)
    done = subprocess.run([sys.executable, "-c", script], input=given, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = (json.loads(line) for line in done.stdout.splitlines())
    return {" ".join([module, *words]): (status, text, heavy) for module, words, status, text, heavy in found}


@pytest.mark.parametrize("command", [" ".join([module, *words]) for module, words in COMMANDS])
def test_help(command: str, helps: dict[str, tuple[int | None, str, list[str]]]) -> None:
    status, text, heavy = helps[command]
    assert (status, heavy) == (0, [])
    shown = command.replace(".__main__", "")
    assert f"python -m {shown.split()[0]}" in text.replace("usage:", "", 1).partition("\n\n")[2], "no example"
    for option in option_lines(text):
        assert re.search(r"(?<!\()default: ", option) is None, option
        assert len(option.split()) > 2, f"{option}: no word of help"
    own, *rest = text.partition(TRAINERS_OPTIONS)
    assert ("--learning_rate" in text) == bool(rest[0])
    assert "--learning_rate" not in own


def test_there_are_commands() -> None:
    assert {"pyserini_dupmae.init", "pyserini_dupmae.encode.__main__"} <= {module for module, _ in COMMANDS}
    assert ("pyserini_dupmae.encode.__main__", ["encoder"]) in COMMANDS
    assert ("pyserini_dupmae.training.teacher.__main__", ["train"]) in COMMANDS


@pytest.mark.parametrize(
    ("module", "name"), [("finetune.run", "Finetune"), ("pretrain.run", "Pretrain"), ("teacher.train", "Teacher")]
)
def test_the_trainer_has_what_the_help_shows(module: str, name: str) -> None:
    arguments = getattr(import_module(f"pyserini_dupmae.training.{module}"), f"{name}Arguments")
    of_trainer = {item.name: item.default for item in fields(arguments)}
    shown = next(base for base in arguments.__mro__ if base.__name__ == f"{name}Defaults")
    assert {item.name: item.default for item in fields(shown)}.items() <= of_trainer.items()
