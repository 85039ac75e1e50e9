"""Making the next items of an iterator while the present one is worked on."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from queue import Full, Queue
from typing import TypeVar

Item = TypeVar("Item")
_POLL_SECONDS = 0.1


def prefetch(items: Iterable[Item], depth: int = 1) -> Iterator[Item]:
    """Yield ``items``, made in a thread that stays at most ``depth`` finished ones ahead.

    What the making raises is raised here, in its place. The thread ends when the iterator is closed.
    """
    queue: Queue[tuple[bool, Item | BaseException | None]] = Queue(depth)
    stopped = threading.Event()

    def put(more: bool, value: Item | BaseException | None) -> None:
        while not stopped.is_set():
            try:
                return queue.put((more, value), timeout=_POLL_SECONDS)
            except Full:
                continue

    def work() -> None:
        try:
            for item in items:
                put(True, item)
                if stopped.is_set():
                    return
            put(False, None)
        except BaseException as error:
            put(False, error)

    thread = threading.Thread(target=work, name="prefetch", daemon=True)
    thread.start()
    try:
        while True:
            more, value = queue.get()
            if more:
                yield value
            elif value is None:
                return
            else:
                raise value
    finally:
        stopped.set()
        thread.join()
