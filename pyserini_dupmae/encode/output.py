"""The output folder: what is finished in it, what is begun, and what an encoding may do there."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from pyserini_dupmae.encode.settings import SETTINGS_JSON, Settings
from pyserini_dupmae.index.info import INFO_JSON
from pyserini_dupmae.store import STORE_JSON
from pyserini_dupmae.util.errors import UserError
from pyserini_dupmae.util.files import TEMPORARY_SUFFIX, remove
from pyserini_dupmae.util.log import logger

STORE = "store"
INDEXES = ("faiss", "lucene", "jsonl")


class Output:
    """The folder ``--embeddings`` with its store and the ``indexes`` (some of `INDEXES`) that are wanted beside it."""

    def __init__(self, folder: Path, indexes: Sequence[str]):
        self.folder, self.indexes = folder, indexes
        self.store = folder / STORE

    def missing_indexes(self) -> list[str]:
        """The wanted indexes that are not finished."""
        return [name for name in self.indexes if not (self.folder / name / INFO_JSON).exists()]

    def admit(self, resume: bool, overwrite: bool) -> None:
        """Raise `UserError` if there is something here that may neither be continued nor replaced."""
        if self.folder.exists() and not self.folder.is_dir():
            raise UserError(f"{self.folder} is a file; give a folder with --embeddings")
        for name in (STORE, *INDEXES):
            if not self._is_ours(name):
                raise UserError(f"{self.folder / name} was not made by this command; give another --embeddings")
        if overwrite or not self._present():
            return
        if Settings.read(self.store) is None:
            raise UserError(f"{self.folder} holds {', '.join(self._present())} of another origin; use --overwrite")
        if (self.store / STORE_JSON).exists() and not self.missing_indexes() and not resume:
            raise UserError(
                f"{self.folder} holds a finished encoding; replace it with --overwrite, or give another --embeddings"
            )

    def clear(self) -> None:
        """Delete what is here."""
        for name in self._present():
            _discard(self.folder / name)

    def require_same(self, settings: Settings) -> None:
        """Raise `UserError` unless what is begun here, if anything, was begun with ``settings``."""
        begun = Settings.read(self.store)
        if begun is not None:
            settings.require(begun, self.store)
            logger.info("going on with the encoding in %s", self.folder)

    def size(self) -> int:
        """Bytes of the store and the wanted indexes."""
        folders = [self.folder / name for name in (STORE, *self.indexes)]
        return sum(path.stat().st_size for folder in folders for path in folder.rglob("*") if path.is_file())

    def _present(self) -> list[str]:
        return [name for name in (STORE, *INDEXES) if not _is_empty(self.folder / name)]

    def _is_ours(self, name: str) -> bool:
        """Whether ``name`` is absent, empty or carries our mark, so that --overwrite deletes nobody else's files."""
        path = self.folder / name
        marks = (SETTINGS_JSON, STORE_JSON) if name == STORE else (INFO_JSON,)
        return _is_empty(path) or any((path / mark).exists() for mark in marks)


def _is_empty(path: Path) -> bool:
    """Whether ``path`` is absent, or a folder of nothing but what an interruption left."""
    return not path.exists() or (path.is_dir() and all(file.suffix == TEMPORARY_SUFFIX for file in path.iterdir()))


def _discard(path: Path) -> None:
    """Delete a folder so that an interruption leaves none that is half there."""
    doomed = path.with_name(path.name + TEMPORARY_SUFFIX)
    remove(doomed)
    os.replace(path, doomed)
    remove(doomed)
