"""How far a long piece of work is: a bar where somebody watches, else a line in the log now and then."""

from __future__ import annotations

import logging
import sys
import time
from typing import Any, Self

from pyserini_dupmae.util.log import is_quiet, logger

BETWEEN_LINES = 30.0
BETWEEN_LINES_VERBOSE = 5.0
"""Seconds between two lines of the log."""

clock = time.monotonic


def is_watched() -> bool:
    """Whether a bar may be drawn: standard error is a terminal or a notebook's, and nobody asked for quiet."""
    shown = sys.stderr.isatty() or "ipykernel" in sys.modules
    return shown and not is_quiet()


class Progress:
    """Tells, as a context manager, how far some work is and how long the rest will take.

    The rest takes as long for each unit as what was done in this run did, so that a unit should be work, not a thing:
    `update` takes fractions.

    Args:
        does: what is done: ``"encoding"``.
        total: how many ``unit`` there are; None: nobody knows.
        unit: what is counted: ``"documents"``.
        done: how many of them were done before.
    """

    def __init__(self, does: str, total: int | None, unit: str, *, done: float = 0):
        self.does, self.total, self.unit = does, total, unit
        self.done = self.earlier = done
        self._bar: Any = None

    def __enter__(self) -> Self:
        self._began = self._said = clock()
        if is_watched():
            from tqdm import tqdm

            self._bar = tqdm(
                total=self.total,
                initial=round(self.done),
                desc=self.does,
                unit=f" {self.unit}",
                smoothing=0,  # the mean of all that was done: it does not follow the last batch
                leave=False,
            )
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()
        elif kind is None and self._said > self._began:
            logger.info("%s: %s %s in %s", self.does, f"{self.done:,.0f}", self.unit, duration(clock() - self._began))

    def skip(self, done: float) -> None:
        """So many were done already; they tell nothing about the rest."""
        self.earlier += done
        if self._bar is not None:
            self._bar.initial += round(done)
        self.update(done)

    def update(self, done: float = 1) -> None:
        """So many more are done."""
        self.done += done
        if self._bar is not None:
            self._bar.update(round(self.done) - self._bar.n)
            return
        now = clock()
        if now - self._said >= (BETWEEN_LINES_VERBOSE if logger.isEnabledFor(logging.DEBUG) else BETWEEN_LINES):
            self._said = now
            logger.info("%s", self.line(now - self._began))

    def line(self, seconds: float) -> str:
        """What a line of the log says after ``seconds``.

        >>> Progress("encoding", 1000, "documents", done=250).line(9.0)
        'encoding: 250 of 1,000 documents (25 %)'
        """
        new = self.done - self.earlier
        rate = new / seconds if seconds > 0 else 0.0
        said = f"{self.does}: {self.done:,.0f}"
        if self.total is not None:
            said += f" of {self.total:,}"
        said += f" {self.unit}"
        if self.total:
            said += f" ({100 * self.done / self.total:.0f} %)"
        if rate > 0:
            said += f", {rate:,.{0 if rate >= 10 else 2}f} {self.unit}/s"
            if self.total is not None:
                said += f", {duration((self.total - self.done) / rate)} left"
        return said


def duration(seconds: float) -> str:
    """Some time as a person says it.

    >>> duration(42.4), duration(400), duration(7300)
    ('42 s', '6 min 40 s', '2 h 1 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
