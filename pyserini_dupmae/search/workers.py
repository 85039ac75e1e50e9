"""Threads that search, kept from one search to the next."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any


def in_threads(function: Callable[[Any], Any], items: Iterable[Any], threads: int) -> list[Any]:
    """``function`` of each item, in their order, ``threads`` of them at a time."""
    work = list(items)
    if threads == 1 or len(work) <= 1:
        return list(map(function, work))
    return list(_pool(threads).map(function, work))


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    """A pool that is kept: each of its threads stays attached to the JVM, and keeps its buffers, for as long as it
    lives."""
    return ThreadPoolExecutor(threads, thread_name_prefix="dupmae-search")
