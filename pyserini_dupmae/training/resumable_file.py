"""Long work on many queries, written in parts beside its output: after a kill the same command goes on where it was.

``OUTPUT.parts`` holds finished parts and ``parts.json``, which says what they are parts of. They are joined at the end,
so that the output is the same file, byte by byte, whether or not the work was interrupted.
"""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from tqdm import tqdm

from pyserini_dupmae.util.errors import UserError
from pyserini_dupmae.util.files import atomic_open, atomic_path, remove, write_json
from pyserini_dupmae.util.log import logger

DESCRIPTION = "parts.json"


class PartedFile:
    """A text file with an entry a query, plain or ``.gz``, that is written in parts of ``size`` queries.

    Raises:
        UserError: ``path`` is a folder, does not end in ``suffix`` (or that and ``.gz``), or exists and may not be
            replaced.
    """

    def __init__(self, path: str | Path, suffix: str, size: int, overwrite: bool):
        self.path, self.size, self.overwrite = Path(path), size, overwrite
        self._folder = self.path.with_name(self.path.name + ".parts")
        if self.path.is_dir():
            raise UserError(f"--output {path} is a folder; name a file")
        if not self.path.name.endswith((suffix, suffix + ".gz")):
            raise UserError(f"--output {path} must end in {suffix} or {suffix}.gz, by which its readers know it")
        if self.path.exists() and not overwrite:
            raise UserError(f"{path} exists; give another --output, or --overwrite to replace it")

    def write(self, settings: Mapping[str, Any], queries: int, entries: Callable[[range], Iterable[str]]) -> None:
        """Write the entries of the queries 0 to ``queries`` - 1.

        Args:
            settings: everything that decides the entries, as JSON; parts of other settings are not gone on with.
            entries: gives the entry of each query of a range, whole lines or empty. It is called for a part at a time.

        Raises:
            UserError: parts of other settings are there, and ``overwrite`` was not given.
        """
        self._begin({"queries": queries, "part_size": self.size, **settings})
        parts = [range(start, min(start + self.size, queries)) for start in range(0, queries, self.size)]
        waiting = [part for part in parts if not self._file(part).exists()]
        done = queries - sum(map(len, waiting))
        if done:
            logger.info("going on with %s: %d of %d queries are done", self.path, done, queries)
        with tqdm(total=queries, initial=done, unit="query", desc=self.path.name) as progress:
            for part in waiting:
                with atomic_open(self._file(part)) as stream:
                    for entry in entries(part):
                        stream.write(entry)
                        progress.update()
        self._join([self._file(part) for part in parts])

    def _begin(self, described: dict[str, Any]) -> None:
        description = self._folder / DESCRIPTION
        begun = json.loads(description.read_text(encoding="utf-8")) if description.exists() else None
        if begun == described:
            return
        if begun is not None and not self.overwrite:
            name = next(name for name in described if begun.get(name) != described[name])
            raise UserError(
                f"{self._folder} was begun with {name} {begun.get(name)!r}, but this command has {described[name]!r}; "
                "give what it was begun with, or --overwrite to begin anew"
            )
        if begun is not None:
            remove(self._folder)
        write_json(description, described)

    def _file(self, part: range) -> Path:
        return self._folder / f"{part.start:09d}"

    def _join(self, parts: list[Path]) -> None:
        with atomic_path(self.path) as temporary, open(temporary, "wb") as file:
            # Neither name nor time in the header: equal content gives equal bytes.
            stream = gzip.GzipFile("", "wb", fileobj=file, mtime=0) if self.path.suffix == ".gz" else file
            for part in parts:
                with open(part, "rb") as source:
                    shutil.copyfileobj(source, stream)
            stream.close()
        remove(self._folder)
