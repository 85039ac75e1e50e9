"""Options that several commands have: each means the same in all of them."""

from __future__ import annotations

import ast
import shlex
from argparse import Namespace
from importlib import import_module
from pathlib import Path

import pytest

from tests.helpers import write_jsonl, write_lines
from tests.test_rooms import is_command, modules

WITH_INDEX = {
    "encode.__main__": "input --corpus x output {} encoder",
    "index.__main__": "{}",
    "search.__main__": "{} --topics x --output x",
    "explain": "{} --query x --docid x",
    "sweep": "{} --topics x --qrels x --output x",
    "reproduce.statistics": "{} --output x",
    "training.mine.__main__": "{} --data x --output x",
    "training.run.evaluate": "{} --data x --output x",
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


QUIET = {
    "encode.__main__": "input --corpus corpus.jsonl output --index OUT --store-only encoder --encoder MODEL",
    "index.__main__": "--index ENCODED --output OUT --to-postings",
    "encode_queries": "--topics topics.tsv --encoder MODEL --output OUT",
    "search.__main__": "--index ENCODED --encoder MODEL --topics topics.tsv --output OUT --engine scan",
    "explain": "--index ENCODED --encoder MODEL --query 'leap years' --docid DOCID",
    "evaluate": "--run run.txt --qrels qrels.txt --per-query out.tsv",
    "reproduce.prepare": "topics --topics topics.tsv --qrels qrels.txt --output OUT",
    "reproduce.statistics": "--index ENCODED --output OUT",
    "reproduce.__main__": "--condition docstrings-small --dry-run",
    "training.mine.__main__": "--index ENCODED --encoder MODEL --data data --output out.jsonl --cache cache --depth 5",
    "training.run.generate": "--output OUT --documents 40 --train-queries 24 --dev-queries 8 --passages 60",
}
SHOWS = {"__main__", "explain", "evaluate", "sweep", "demo.__main__", "reproduce.__main__"}
SHOWS |= {"training.run.__main__", "training.run.evaluate", "training.run.seeds"}


@pytest.mark.parametrize("command", QUIET)
def test_quiet_commands_print_what_was_asked_for_alone(
    command: str,
    corpus: list[tuple[str, str]],
    encoded: Path,
    tiny_model_dir: Path,
    topics_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    docid = corpus[7][0]
    (tmp_path / "data" / "qrels").mkdir(parents=True)
    write_jsonl(tmp_path / "corpus.jsonl", [{"id": docid, "contents": text} for docid, text in corpus[:12]])
    write_jsonl(
        tmp_path / "data" / "corpus.jsonl", [{"_id": docid, "title": "", "text": text} for docid, text in corpus]
    )
    write_jsonl(tmp_path / "data" / "queries.jsonl", [{"_id": "1", "text": "leap years"}])
    write_lines(tmp_path / "data" / "qrels" / "train.tsv", ["query-id\tcorpus-id\tscore", f"1\t{docid}\t1"])
    write_lines(tmp_path / "qrels.txt", [f"1 0 {docid} 1", f"99 0 {docid} 1"])
    write_lines(tmp_path / "run.txt", [f"1 Q0 {docid} 1 2.5 tag"])
    (tmp_path / "topics.tsv").symlink_to(topics_file)
    words = {"OUT": tmp_path / "out", "ENCODED": encoded, "MODEL": tiny_model_dir, "DOCID": docid}
    capfd.readouterr()
    argv = [str(words.get(word, word)) for word in shlex.split(QUIET[command])]
    import_module(f"pyserini_dupmae.{command}").main([*argv, "--quiet"])
    printed = capfd.readouterr()
    assert (printed.err, bool(printed.out)) == ("", command in SHOWS)


def test_only_commands_that_are_asked_to_show_something_print_it() -> None:
    commands = {name: ast.parse(path.read_text("utf-8")) for name, path in modules().items() if is_command(name)}
    prints = {
        name
        for name, tree in commands.items()
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "print"
    }
    assert prints == SHOWS
