"""The output folder: what it was begun with, what is finished in it, and what an encoding may do there."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pyserini_dupmae.index.info import INFO_JSON, KINDS
from pyserini_dupmae.modeling.identity import ModelIdentity
from pyserini_dupmae.store import STORE_JSON
from pyserini_dupmae.util.errors import UserError
from pyserini_dupmae.util.files import TEMPORARY_SUFFIX, remove
from pyserini_dupmae.util.log import logger
from pyserini_dupmae.util.resume import begun_with, require_same

STORE = "store"
SETTINGS_JSON = "encoding.json"
BEGIN_AGAIN = "begin again with --overwrite"


@dataclass(frozen=True)
class EncodingSettings:
    """The model, and the options of the encode command, named as there, that decide the bytes of a store.

    They are kept beside the shards, so that an interrupted encoding goes on as it began.
    """

    model: ModelIdentity
    max_length: int
    dtype: str
    device: str
    top_k: int
    batch_size: int
    shard_size: int
    store_contents: bool
    fields: list[str] | None
    delimiter: str
    docid_field: str | None
    shard_id: int
    shard_num: int
    on_error: str
    idf: str | None = None

    def values(self) -> dict[str, Any]:
        """The settings as they are kept; ``idf`` only of a model that asks for one."""
        return {name: value for name, value in asdict(self).items() if name != "idf" or value is not None}


class OutputFolder:
    """The folder ``--index`` with its store and the ``indexes`` (some of `KINDS`) that are wanted beside it."""

    def __init__(self, folder: Path, indexes: Sequence[str]):
        self.folder, self.indexes = folder, indexes
        self.store = folder / STORE

    def missing_indexes(self) -> list[str]:
        """The wanted indexes that are not finished."""
        return [name for name in self.indexes if not (self.folder / name / INFO_JSON).exists()]

    def admit(self, resume: bool, overwrite: bool) -> None:
        """Raise `UserError` if there is something here that may neither be continued nor replaced."""
        if self.folder.exists() and not self.folder.is_dir():
            raise UserError(f"{self.folder} is a file; give a folder with --index")
        for name in (STORE, *KINDS):
            if not self._is_ours(name):
                raise UserError(f"{self.folder / name} was not made by this command; give another --index")
        if overwrite or not self._present():
            return
        if begun_with(self.store / SETTINGS_JSON, BEGIN_AGAIN) is None:
            raise UserError(f"{self.folder} holds {', '.join(self._present())} of another origin; use --overwrite")
        if (self.store / STORE_JSON).exists() and not self.missing_indexes() and not resume:
            raise UserError(
                f"{self.folder} holds a finished encoding; replace it with --overwrite, or give another --index"
            )

    def clear(self) -> None:
        """Delete what is here."""
        for name in self._present():
            _discard(self.folder / name)

    def require_same(self, settings: EncodingSettings) -> None:
        """Raise `UserError` unless what is begun here, if anything, was begun with ``settings``."""
        path, work = self.store / SETTINGS_JSON, f"the encoding in {self.store}"
        begun = begun_with(path, BEGIN_AGAIN)
        if begun is None:
            return
        try:
            model = ModelIdentity(**begun["model"])
        except (KeyError, TypeError) as error:
            raise UserError(f"{path} is damaged ({error}); {BEGIN_AGAIN}") from None
        model.require(settings.model, work)
        options = {name: value for name, value in settings.values().items() if name != "model"}
        require_same(begun, options, work=work, mend=BEGIN_AGAIN, as_options=True)
        logger.info("going on with the encoding in %s", self.folder)

    def begun_dtype(self) -> str | None:
        """The dtype of the encoding that is begun here, None where there is none."""
        begun = begun_with(self.store / SETTINGS_JSON, BEGIN_AGAIN)
        return None if begun is None else begun.get("dtype")

    def size(self) -> int:
        """Bytes of the store and the wanted indexes."""
        folders = [self.folder / name for name in (STORE, *self.indexes)]
        return sum(path.stat().st_size for folder in folders for path in folder.rglob("*") if path.is_file())

    def _present(self) -> list[str]:
        return [name for name in (STORE, *KINDS) if not _is_empty(self.folder / name)]

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
