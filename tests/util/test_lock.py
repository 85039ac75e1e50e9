"""One process at a time on one output."""

import os
import signal
import socket
import subprocess
import sys
import threading
from contextlib import suppress

import pytest

from pyserini_dupmae.util.errors import UserError
from pyserini_dupmae.util.lock import LOCK, alone, alone_with, locks_output

HOLD = """
import os, sys, time
from pathlib import Path
from pyserini_dupmae.util.lock import alone
with alone(Path(sys.argv[1])):
    child = "fork" in sys.argv and os.fork() == 0
    if child or "fork" not in sys.argv:
        print("held", flush=True)
    time.sleep(600) if child else sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    """Starts another process that holds the lock of ``tmp_path/out``."""
    started = []

    def start(*words):
        pipe = subprocess.PIPE
        command = [sys.executable, "-c", HOLD, str(tmp_path / "out"), *words]
        process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, start_new_session=True)
        started.append(process)
        assert process.stdout.readline() == "held\n"
        return process

    yield start
    for process in started:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def test_the_second_is_told_who_the_first_is(holder, tmp_path):
    process = holder()
    message = rf"another run is at work in .*out \(process {process.pid} on {socket.gethostname()}\)"
    with pytest.raises(UserError, match=message), alone(tmp_path / "out"):
        pytest.fail("two at once")
    assert (tmp_path / "out" / LOCK).exists()


@pytest.mark.parametrize("words", [(), ("fork",)])
def test_the_lock_dies_with_its_process(holder, tmp_path, words):
    process = holder(*words)
    process.kill()
    process.wait()
    with alone(tmp_path / "out"):
        (tmp_path / "out" / "work").touch()
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["work"]


def test_nothing_is_left_of_a_folder_that_stays_empty(tmp_path):
    with pytest.raises(ZeroDivisionError), alone(tmp_path / "a" / "b"):
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_within_one_call_it_may_be_asked_for_again_but_not_by_another_thread(tmp_path):
    errors = []

    def other():
        try:
            with alone(tmp_path):
                pytest.fail("two at once")
        except UserError as error:
            errors.append(str(error))

    with alone(tmp_path):
        with alone(tmp_path):
            pass
        assert (tmp_path / LOCK).exists()
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert len(errors) == 1
    assert not (tmp_path / LOCK).exists()


def test_waiting(holder, tmp_path):
    process = holder()
    threading.Timer(0.3, process.stdin.close).start()
    with alone(tmp_path / "out", wait=True):
        assert process.wait() == 0


def test_a_file(tmp_path):
    with alone_with(tmp_path / "a" / "scores.tsv"):
        assert [path.name for path in (tmp_path / "a").iterdir()] == [".scores.tsv.lock"]
    assert list((tmp_path / "a").iterdir()) == []


def test_only_the_first_of_several_processes_locks(holder, tmp_path, monkeypatch):
    @locks_output
    def work(*, output):
        return output

    assert work(output=tmp_path) == tmp_path
    holder()
    with pytest.raises(UserError, match="another run"):
        work(output=tmp_path / "out")
    monkeypatch.setenv("RANK", "1")
    assert work(output=tmp_path / "out") == tmp_path / "out"
