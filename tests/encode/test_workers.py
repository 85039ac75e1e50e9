"""Several processes that encode one store: the bytes of one process, and what is said when one dies."""

from __future__ import annotations

import multiprocessing
import os
import re
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest

import pyserini_dupmae.api as dupmae
from pyserini_dupmae.encode.pipeline import WrittenShard, finish_store
from tests.encode.test_command import command, contents_of

SHARDS = ("--store-only", "--shard-size", "32")


@pytest.fixture(scope="module")
def by_one(corpus_file: Path, tiny_model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What one process writes."""
    output = tmp_path_factory.mktemp("one") / "out"
    dupmae.encode(corpus_file, output=output, encoder=tiny_model_dir, to=[], shard_size=32)
    return contents_of(output)


@pytest.fixture
def forked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes are forked from one that has imported torch, where they would else import it each."""
    server = multiprocessing.get_context("forkserver")
    server.set_forkserver_preload(["torch", "transformers.modeling_utils"])
    monkeypatch.setattr(
        "pyserini_dupmae.encode.workers.multiprocessing", SimpleNamespace(get_context=lambda method: server)
    )


@pytest.mark.slow
def test_the_bytes_are_those_of_one(by_one, corpus_file, tiny_model_dir, tmp_path):
    done = dupmae.encode(
        corpus_file, output=tmp_path / "out", encoder=tiny_model_dir, to=[], shard_size=32, processes=2
    )
    assert contents_of(tmp_path / "out") == by_one
    assert (done.documents, done.encoded) == (301, 301)
    again = dupmae.encode(
        corpus_file, output=tmp_path / "out", encoder=tiny_model_dir, to=[], shard_size=32, resume=True
    )
    assert (again.encoded, again.terms) == (0, done.terms)


@pytest.mark.slow
def test_more_processes_than_shards(forked, jsonl, tiny_model_dir, tmp_path):
    corpus = jsonl([{"id": str(i), "contents": text} for i, text in enumerate(("a file", "the turtle"))])
    for number, processes in enumerate((1, 3)):
        dupmae.encode(corpus, output=tmp_path / str(number), encoder=tiny_model_dir, to=[], processes=processes)
    assert contents_of(tmp_path / "0") == contents_of(tmp_path / "1")


def test_started_by_torchrun(by_one, corpus_file, tiny_model_dir, warm_python, tmp_path):
    launcher = [warm_python, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    _, *words = command(corpus_file, tmp_path / "out", tiny_model_dir, *SHARDS)
    finished = subprocess.run([*launcher, *words], capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    assert contents_of(tmp_path / "out") == by_one
    assert finished.stdout.count("301 documents, 301 of them encoded") == 1
    shards = re.findall(r"process (\d) encodes .*/shard-(\d+)\.safetensors", finished.stderr)
    assert sorted(shards, key=lambda pair: pair[1]) == [(str(n % 2), f"{n:06d}") for n in range(10)]


@pytest.mark.slow
def test_one_that_dies_is_named_with_its_shard_and_the_same_command_goes_on(
    forked, by_one, encode, corpus_file, tiny_model_dir, tmp_path
):
    output = tmp_path / "out"
    words, options = (corpus_file, *SHARDS), ("--processes", "2", "--batch-size", "1")
    with ThreadPoolExecutor() as pool:
        killing = pool.submit(kill_the_last_process, output / "store" / "shard-000001.safetensors")
        failed = encode(*words, encoder=options)
        killing.result()
    assert failed.status == 2
    last = failed.stderr.splitlines()[-1]
    died = (
        r"error: process (\d) of the encoding was ended by SIGKILL while it encoded (\S+); run the same command again"
    )
    found = re.match(died, last)
    assert found, last
    shard = Path(found[2])
    assert shard.parent == output / "store"
    assert int(shard.stem.removeprefix("shard-")) % 2 == int(found[1])
    assert not (output / "store" / "store.json").exists()
    finished = encode(*words, encoder=options)
    assert finished.status == 0, finished.stderr
    files = contents_of(output)
    assert files.keys() == by_one.keys()
    whole = tmp_path / "whole"
    dupmae.encode(corpus_file, output=whole, encoder=tiny_model_dir, to=[], shard_size=32, batch_size=1)
    assert files == contents_of(whole)
    assert "301 documents, 0 of them encoded" in encode(*words, "--resume", encoder=options).stdout


def kill_the_last_process(shard: Path) -> None:
    """Wait for a file, and end the process that was started last."""
    end = time.monotonic() + 60
    while not shard.exists():
        assert time.monotonic() < end
        time.sleep(0.001)
    os.kill(max(process.pid for process in multiprocessing.active_children()), signal.SIGKILL)


@pytest.mark.slow
def test_a_mistake_in_a_worker_is_one_line(forked, jsonl, tiny_model_dir, tmp_path):
    """The corpus is changed behind the back of the processes, which check the shards that are there."""
    records = [{"id": str(i), "contents": f"a file {i}"} for i in range(8)]
    options = {"output": tmp_path / "out", "encoder": tiny_model_dir, "to": [], "shard_size": 2}
    dupmae.encode(jsonl(records), **options)
    (tmp_path / "out" / "store" / "store.json").unlink()
    records[5]["contents"] = "another"
    with pytest.raises(dupmae.UserError, match=r"the text of '5' .* is another"):
        dupmae.encode(jsonl(records), processes=2, **options)


def test_no_shard_is_counted_twice_or_lost(tmp_path):
    (tmp_path / "shard-000003.safetensors").touch()
    shards = [WrittenShard(number, 1, True, 1.0, 1, "0" * 64) for number in range(2)]
    with pytest.raises(dupmae.UserError, match=r"fewer documents than when .*shard-000003"):
        finish_store(tmp_path, None, shards)


def test_zero_processes(jsonl, tiny_model_dir, tmp_path):
    with pytest.raises(dupmae.UserError, match="processes must be at least 1, got 0"):
        dupmae.encode(jsonl([{"id": "1", "contents": "a"}]), output=tmp_path / "out", processes=0)


def test_torchrun_and_processes_exclude_each_other(corpus_file, tiny_model_dir, tmp_path, monkeypatch, encode):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "0")
    finished = encode(corpus_file, encoder=("--processes", "2"))
    assert finished.status == 2
    assert "leave out --processes" in finished.stderr
