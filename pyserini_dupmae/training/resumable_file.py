"""Long work on many queries, written in parts beside its output: after a kill the same command goes on where it was.

``OUTPUT.parts`` holds finished parts and ``parts.json``, which says what they are parts of. They are joined at the end,
so that the output is the same file, byte by byte, whether or not the work was interrupted.
"""

from __future__ import annotations

import gzip
import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from pyserini_dupmae.util.errors import UserError
from pyserini_dupmae.util.files import atomic_open, atomic_path, remove, require_file
from pyserini_dupmae.util.lock import alone_with
from pyserini_dupmae.util.log import logger
from pyserini_dupmae.util.progress import Progress
from pyserini_dupmae.util.resume import begin, begun_with, difference

DESCRIPTION = "parts.json"


class ResumableFile:
    """A text file with an entry a query, plain or ``.gz``, that is written in parts of ``size`` queries.

    Args:
        reads: files from which the entries are made; None stands for no file.

    Raises:
        UserError: ``path`` is a folder, does not end in ``suffix`` (or that and ``.gz``), exists and may not be
            replaced, or is one of ``reads``.
    """

    def __init__(
        self,
        path: str | os.PathLike,
        suffix: str,
        size: int,
        overwrite: bool,
        *,
        reads: Iterable[str | os.PathLike | None] = (),
    ):
        self.path = require_file(path, reads=[one for one in reads if one is not None])
        self.size, self.overwrite = size, overwrite
        self._folder = self.path.with_name(self.path.name + ".parts")
        if not self.path.name.endswith((suffix, suffix + ".gz")):
            raise UserError(f"--output {path} must end in {suffix} or {suffix}.gz, by which its readers know it")
        if self.path.exists() and not overwrite:
            raise UserError(f"{path} exists; give another --output, or --overwrite to replace it")

    def write(self, settings: Mapping[str, Any], queries: int, entries: Callable[[range], Iterable[str]]) -> int:
        """Write the entries of the queries 0 to ``queries`` - 1: `begin`, `fill` and `join`.

        Args:
            settings: everything that decides the entries, as JSON; parts of other settings are not gone on with.
            entries: gives the entry of each query of a range, whole lines or empty. It is called for a part at a time.

        Returns:
            For how many queries this call made the entries; an earlier one had done the others.

        Raises:
            UserError: parts of other settings are there, and ``overwrite`` was not given.
        """
        with self.alone():
            waiting = self.begin(settings, queries)
            self.fill(queries, entries)
            self.join(queries)
        return waiting

    def alone(self) -> AbstractContextManager[None]:
        """Keep other runs from writing the same file; a `UserError` where one is at work."""
        return alone_with(self.path)

    def begin(self, settings: Mapping[str, Any], queries: int) -> int:
        """Note what is begun with, as `write` takes it; for how many queries there is no part yet."""
        self._begin({"queries": queries, "part_size": self.size, **settings})
        waiting = sum(map(len, self._waiting(queries)))
        if waiting < queries:
            logger.info("going on with %s: %d of %d queries are done", self.path, queries - waiting, queries)
        return waiting

    def fill(self, queries: int, entries: Callable[[range], Iterable[str]], number: int = 0, count: int = 1) -> None:
        """Write the parts that are missing; of ``count`` processes that do so at once, ``number`` takes its share."""
        own = [part for part in self._waiting(queries) if part.start // self.size % count == number]
        with Progress(self.path.name, sum(map(len, own)), "queries") if number == 0 else nullcontext() as progress:
            for part in own:
                with atomic_open(self._file(part)) as stream:
                    for entry in entries(part):
                        stream.write(entry)
                        if progress is not None:
                            progress.update()

    def join(self, queries: int) -> None:
        """Make the file of its parts, and delete these."""
        with atomic_path(self.path) as temporary, open(temporary, "wb") as file:
            # Neither name nor time in the header: equal content gives equal bytes.
            stream = gzip.GzipFile("", "wb", fileobj=file, mtime=0) if self.path.suffix == ".gz" else file
            for part in self._parts(queries):
                with open(self._file(part), "rb") as source:
                    shutil.copyfileobj(source, stream)
            stream.close()
        remove(self._folder)

    def _parts(self, queries: int) -> list[range]:
        return [range(start, min(start + self.size, queries)) for start in range(0, queries, self.size)]

    def _waiting(self, queries: int) -> list[range]:
        return [part for part in self._parts(queries) if not self._file(part).exists()]

    def _begin(self, settings: Mapping[str, Any]) -> None:
        description = self._folder / DESCRIPTION
        if self.overwrite and _begun_otherwise(description, settings):
            remove(self._folder)
        begin(description, settings, work=str(self._folder), mend="give --overwrite to begin anew")

    def _file(self, part: range) -> Path:
        return self._folder / f"{part.start:09d}"


def _begun_otherwise(description: Path, settings: Mapping[str, Any]) -> bool:
    try:
        before = begun_with(description, "")
    except UserError:  # it is damaged
        return True
    return before is not None and difference(before, settings) is not None
