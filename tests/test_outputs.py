"""Where a command writes to, for every command: what cannot be is one line, before anything else is looked at."""

import fcntl
import shlex
import shutil
from importlib import import_module
from pathlib import Path

import pytest

from pyserini_dupmae.util.command import run_command
from pyserini_dupmae.util.lock import LOCK
from tests.index.conftest import random_documents
from tests.test_rooms import is_command, modules

FOLDERS = {
    "init": "--from GONE --output OUT",
    "encode.__main__": "input --corpus GONE output --index OUT encoder",
    "index.__main__": "--index GONE --output OUT",
    "encode_queries": "--topics GONE --output OUT",
    "sweep": "--index GONE --topics GONE --qrels GONE --output OUT",
    "report.__main__": "--results GONE --output OUT",
    "reproduce.__main__": "--condition docstrings --output OUT",
    "reproduce.prepare topics": "--topics GONE --qrels GONE --output OUT",
    "reproduce.baselines": "--corpus GONE --topics GONE --qrels GONE --metrics AP --collection x --output OUT",
    "reproduce.prepare unpack": "--archive GONE --folder x --output OUT",
    "reproduce.prepare docstrings": "--queries 1 --output OUT",
    "training.pretrain.__main__": "--from GONE --data GONE --output OUT",
    "training.finetune.__main__": "--stage 1 --from GONE --data GONE --output OUT",
    "training.teacher.__main__ train": "--from GONE --data GONE --output OUT",
    "training.pair.__main__ prepare": "--encoder GONE --source GONE --output OUT",
    "training.pair.__main__ train": "--from GONE --prepared GONE --output OUT",
    "training.run.__main__": "GONE --output OUT",
    "training.run.generate": "--output OUT",
    "training.run.evaluate": "--encoder GONE --data GONE --output OUT",
    "training.run.seeds": "--results GONE --baseline x --output OUT",
}
FILES = {
    "search.__main__": "--index GONE --topics GONE --output OUT",
    "merge": "--runs GONE --output OUT",
    "evaluate": "--run GONE --qrels GONE --per-query OUT",
    "reproduce.__main__": "--condition docstrings --output GONE --output-report OUT",
    "reproduce.prepare titles": "--passages GONE --titles GONE --output OUT",
    "reproduce.statistics": "--index GONE --output OUT",
    "training.mine.__main__": "--index GONE --encoder GONE --data GONE --output OUT",
    "training.teacher.__main__ score": "--teacher GONE --data GONE --output OUT",
}
SUFFIXES = {"evaluate": ".tsv", "reproduce.__main__": ".md", "training.mine.__main__": ".jsonl"}
SUFFIXES["training.teacher.__main__ score"] = ".tsv"
NOTHING_WRITTEN = ("explain", "demo.__main__", "__main__")


@pytest.fixture
def refused(tmp_path, capsys, monkeypatch):
    """``refused("sweep", "--output OUT", path)`` runs a command whose output is ``path``; the line that it says."""
    monkeypatch.chdir(tmp_path)

    def run(command: str, words: str, path: Path | str) -> str:
        module, *subcommand = command.split()
        main = import_module(f"pyserini_dupmae.{module}").main
        argv = [str(path) if word == "OUT" else word for word in shlex.split(words.replace("GONE", "not-there"))]
        with pytest.raises(SystemExit) as stopped:
            run_command(lambda: main([*subcommand, *argv]))
        lines = capsys.readouterr().err.splitlines()
        assert stopped.value.code == 2
        assert not any("Traceback" in line for line in lines)
        (said,) = [line for line in lines if "error: " in line]
        assert said == lines[-1]
        return said

    return run


def test_every_command_is_here():
    tested = {command.partition(" ")[0] for command in (*FOLDERS, *FILES)}
    commands = {
        name for name, path in modules().items() if is_command(name) and "\ndef main(" in path.read_text("utf-8")
    }
    assert tested == commands - set(NOTHING_WRITTEN)


@pytest.mark.parametrize("command", FOLDERS)
def test_folders_that_cannot_be(command, refused, tmp_path):
    (tmp_path / "file").write_text("mine")
    for path in (tmp_path / "file" / "x", tmp_path / "file", tmp_path / ("x" * 300), "/proc/x", "/dev/null"):
        assert str(path)[:150] in refused(command, FOLDERS[command], path)
    assert "empty" in refused(command, FOLDERS[command], "")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("file", "mine")]


@pytest.mark.parametrize("command", FILES)
def test_files_that_cannot_be(command, refused, tmp_path):
    suffix = SUFFIXES.get(command, "")
    (tmp_path / "file").write_text("mine")
    (tmp_path / f"folder{suffix}").mkdir()
    names = (f"file/x{suffix}", f"folder{suffix}", "x" * 300 + suffix, f"/proc/x{suffix}")
    for path in [tmp_path / name for name in names]:
        assert str(path)[:150] in refused(command, FILES[command], path)
    assert "error: " in refused(command, FILES[command], "")
    shutil.rmtree(tmp_path / f"folder{suffix}")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("file", "mine")]


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("search.__main__", "--index GONE --topics mine.tsv --output mine.tsv"),
        ("search.__main__", "--index GONE --topics mine.tsv --output run.txt --explanations mine.tsv"),
        ("search.__main__", "--index GONE --topics GONE --output run.txt --explanations ./run.txt"),
        ("evaluate", "--run GONE --qrels mine.tsv --per-query link.tsv"),
        ("evaluate", "--run mine.tsv --qrels GONE --per-query ./mine.tsv"),
        ("merge", "--runs GONE mine.tsv --output mine.tsv"),
        ("reproduce.prepare titles", "--passages mine.tsv --titles GONE --output mine.tsv"),
        ("training.teacher.__main__ score", "--teacher GONE --data GONE --negatives mine.tsv --output link.tsv"),
        ("training.mine.__main__", "--index GONE --data ./new.jsonl --output new.jsonl"),
    ],
)
def test_what_is_read_is_not_replaced(command, words, refused, tmp_path):
    (tmp_path / "mine.tsv").write_text("1\tmine\n")
    (tmp_path / "link.tsv").symlink_to("mine.tsv")
    assert "would replace" in refused(command, words, "")
    assert (tmp_path / "mine.tsv").read_text() == "1\tmine\n"
    assert len(list(tmp_path.iterdir())) == 2


LOCKED = ("encode.__main__", "sweep", "training.pretrain.__main__", "training.finetune.__main__")
LOCKED += ("training.teacher.__main__ train", "training.pair.__main__ train")


@pytest.fixture
def at_work(tmp_path):
    """Another process at work in ``tmp_path/out``, as far as its lock goes."""
    (tmp_path / "out").mkdir()
    with open(tmp_path / "out" / LOCK, "w") as in_it, open(tmp_path / f".out{LOCK}", "w") as beside:
        for stream in (in_it, beside):
            stream.write("process 4711 on elsewhere\n")
            stream.flush()
            fcntl.flock(stream, fcntl.LOCK_EX)
        yield tmp_path / "out"


@pytest.mark.parametrize("command", LOCKED)
def test_the_second_of_two_is_refused_before_it_reads_anything(command, refused, at_work):
    if "pair" in command:
        (at_work / LOCK).unlink()  # what it writes lies beside until it is complete
    said = refused(command, FOLDERS[command], at_work)
    assert f"another run is at work in {at_work} (process 4711 on elsewhere); wait for it" in said


def test_an_index_is_built_by_one_at_a_time(refused, at_work):
    random_documents(10, [f"term{i}" for i in range(20)], 5).write(at_work)
    assert "process 4711 on elsewhere" in refused("index.__main__", "--index OUT --to-postings", at_work)
    assert not (at_work / "postings").exists()
