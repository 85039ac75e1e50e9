"""Options that several commands have: each means the same in all of them."""

from __future__ import annotations

import shlex
from argparse import Namespace
from importlib import import_module
from pathlib import Path

import pytest

from tests.test_rooms import is_command, modules

WITH_INDEX = {
    "encode.__main__": "input --corpus x output {} encoder",
    "index.__main__": "{}",
    "search.__main__": "{} --topics x --output x",
    "explain": "{} --query x --docid x",
    "sweep": "{} --topics x --qrels x --output x",
    "reproduce.statistics": "{} --output x",
    "training.mine.__main__": "{} --encoder x --data x --output x",
    "training.run.evaluate": "{} --encoder x --data x --output x",
}


def parsed(command: str, words: str) -> Namespace:
    options = import_module(f"pyserini_dupmae.{command}").parser().parse_args(shlex.split(words))
    assert isinstance(options, Namespace)
    return options


@pytest.mark.parametrize("command", WITH_INDEX)
def test_the_folder_of_an_index_has_one_name_and_an_alias(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = WITH_INDEX[command]
    found = parsed(command, words.format("--index here"))
    assert repr(Path("here")) in repr(found)
    assert parsed(command, words.format("--embeddings here")) == found
    with pytest.raises(SystemExit):
        parsed(command, words.format("--index ''"))
    assert "argument --index: must not be empty" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        parsed(command, words.format("--help"))
    shown = capsys.readouterr().out
    assert "--index DIR" in shown
    assert "--embeddings" not in shown


def test_every_command_that_takes_such_a_folder_is_here() -> None:
    commands = {name: path.read_text("utf-8") for name, path in modules().items() if is_command(name)}
    assert {name for name, text in commands.items() if "add_index(" in text} == set(WITH_INDEX)
    assert not [name for name, text in commands.items() if '"--index"' in text or '"--embeddings"' in text]
