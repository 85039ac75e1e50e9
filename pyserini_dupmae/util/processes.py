"""Work that several processes of this machine share."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import cast

from pyserini_dupmae.util.errors import UserError

GO_ON = "run the same command again; it goes on with what is there"


def in_processes(work: Callable[[int], object], count: int, what: str) -> None:
    """Run ``work(0)`` to ``work(count - 1)``, each in a process of its own, until all have ended.

    The processes are spawned, so that ``work`` is pickled, and a script that calls this needs
    ``if __name__ == "__main__":``. When one fails the others are ended.

    Args:
        what: what they do, for messages: ``"the scoring"``.

    Raises:
        UserError: what a process raised; or one died, which is named.
    """
    context = multiprocessing.get_context("spawn")  # not forked: a process with threads, or with CUDA, cannot be copied
    started: dict[Connection, tuple[int, SpawnProcess]] = {}
    try:
        for number in range(count):
            receiver, sender = context.Pipe(duplex=False)
            process = context.Process(target=_run, args=(work, number, sender), daemon=True)
            process.start()
            sender.close()
            started[receiver] = number, process
        running = dict(started)
        while running:
            for ready in wait(list(running)):
                receiver = cast(Connection, ready)
                number, process = running.pop(receiver)
                try:
                    message = receiver.recv()
                except EOFError:
                    raise _death(number, process, what) from None
                if message is not None:
                    raise UserError(message)
    finally:
        for _, process in started.values():
            process.terminate()
            process.join()


def _run(work: Callable[[int], object], number: int, sender: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal sends it to all; the first process ends the others
    try:
        work(number)
        sender.send(None)
    except UserError as error:
        sender.send(str(error))


def _death(number: int, process: SpawnProcess, what: str) -> UserError:
    process.join()
    code = process.exitcode or 0
    how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"
    return UserError(f"process {number} of {what} {how}; {GO_ON}")
