"""A Python that has imported torch, transformers and Numba before it is started.

That is what most processes of the tests spend their time on.

``python -m tests.warm FOLDER`` imports them once and then serves: ``FOLDER/python`` takes the place of an interpreter.
It hands its arguments, streams, folder and environment to the server, which forks, and ends as the fork does. The fork
is a process like any other, save that the modules in `PRELOADED` are there and that strings hash as in its siblings. So
how a command starts is tested with the real Python, once for each, and so is that two runs are equal.
"""

from __future__ import annotations

import gc
import json
import os
import runpy
import socket
import sys
from contextlib import suppress
from importlib import import_module
from multiprocessing import connection, get_context
from multiprocessing.process import BaseProcess
from pathlib import Path

import numba

PRELOADED = ("torch", "transformers.trainer", "transformers.models.bert.modeling_bert", "sentence_transformers")

CLIENT = """\
#!{python} -IS
import json, os, signal, socket, sys

signal.signal(signal.SIGINT, signal.SIG_DFL)
server = socket.socket(socket.AF_UNIX)
server.connect({address!r})
request = json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)]).encode()
socket.send_fds(server, [len(request).to_bytes(4, "big")], [0, 1, 2])
server.sendall(request)
status = int.from_bytes(server.recv(4) or b"\\x01", "big", signed=True)
if status < 0:
    os.kill(os.getpid(), -status)
sys.exit(status)
"""


def serve(folder: Path) -> None:
    """Fork for every start of ``folder/python``, until standard input ends."""
    address, program = str(folder / "socket"), folder / "python"
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(address)
    listening.listen()
    program.write_text(CLIENT.format(python=sys.executable, address=address), encoding="utf-8")
    program.chmod(0o755)
    running: dict[int, tuple[BaseProcess, socket.socket]] = {}  # what is ready when a process ends -> it, its client
    while True:
        clients = {client: process for process, client in running.values()}
        for ready in connection.wait([0, listening, *running, *clients]):
            if ready == 0:
                return
            if ready is listening:
                client, _ = listening.accept()
                process = _fork(client, str(program))
                running[process.sentinel] = process, client
            elif ready in clients:  # it was killed; this only hears of it when the process has ended
                clients[ready].kill()
            else:
                process, client = running.pop(ready)
                process.join()
                with client, suppress(BrokenPipeError):
                    client.sendall(process.exitcode.to_bytes(4, "big", signed=True))


def _fork(client: socket.socket, program: str) -> BaseProcess:
    """Begin what the client asks for."""
    length, streams, _, _ = socket.recv_fds(client, 4, 3)
    with client.makefile("rb") as stream:
        words, folder, environment = json.loads(stream.read(int.from_bytes(length, "big")))
    process = get_context("fork").Process(target=_run, args=(words, folder, environment, streams, program))
    process.start()
    for stream in streams:
        os.close(stream)
    return process


def _run(words: list[str], folder: str, environment: dict[str, str], streams: list[int], program: str) -> None:
    """Do what ``python WORDS`` does, in the place of the client."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    sys.stdin = os.fdopen(0)  # multiprocessing has closed it
    unbuffered = "PYTHONUNBUFFERED" in environment or words[0] == "-u"
    sys.stdout.reconfigure(write_through=unbuffered)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.executable = program
    paths = [path for path in environment.get("PYTHONPATH", "").split(os.pathsep) if path]
    sys.path[:] = [folder, *paths, *(path for path in sys.path[1:] if path not in paths)]
    try:
        _interpret(*words[words[0] == "-u" :])
    except Exception:
        sys.excepthook(*sys.exc_info())  # multiprocessing does not ask it
        raise SystemExit(1) from None


def _interpret(option: str, *rest: str) -> None:
    """Run a module (``-m``), a program that is given (``-c``) or on standard input (``-``), or a file."""
    if option == "-m":
        sys.argv = [*rest]
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    elif option == "-c":
        sys.argv = ["-c", *rest[1:]]
        exec(rest[0], {"__name__": "__main__"})
    elif option == "-":
        sys.argv = ["-", *rest]
        exec(sys.stdin.read(), {"__name__": "__main__"})
    elif not option.startswith("-"):
        sys.argv = [option, *rest]
        sys.path[0] = os.path.dirname(option)
        runpy.run_path(option, run_name="__main__")
    else:
        raise SystemExit(f"the warm Python knows no option {option!r}")


def main(folder: Path) -> None:
    os.environ["OMP_NUM_THREADS"] = "1"
    os.environ["JE_ARROW_MALLOC_CONF"] = "background_thread:false"  # of the allocator that comes with pyarrow
    for module in PRELOADED:
        import_module(module)
    numba.njit("void(int64)")(lambda number: None)  # what it looks up before the first function takes half a second
    gc.freeze()  # the first collection in a fork would touch, and so copy, every page
    threads = len(os.listdir("/proc/self/task"))
    assert threads == 1, f"a fork of {threads} threads has only one of them"
    serve(folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
