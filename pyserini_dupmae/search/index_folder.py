"""The folder of an index, and what its ``dupmae.json`` says: checked before anything in it is trusted."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from pyserini_dupmae.index.info import INFO_JSON, IndexInfo
from pyserini_dupmae.index.postings import DenseBounds, Postings
from pyserini_dupmae.store import ForwardStore
from pyserini_dupmae.util.digests import differences, digest
from pyserini_dupmae.util.errors import UserError
from pyserini_dupmae.util.log import logger


@dataclass(frozen=True)
class IndexFolder:
    """An index folder and what its ``dupmae.json`` says."""

    folder: Path
    info: IndexInfo

    @classmethod
    def read(cls, folder: str | os.PathLike, kind: str) -> IndexFolder:
        """The folder of an index of this kind; `UserError` when it is none."""
        info = IndexInfo.read(Path(folder))
        if info.kind != kind:
            raise UserError(f"{Path(folder)} is not a {kind} index, but a {info.kind} index")
        return cls(Path(folder), info)

    def require_same_collection(self, other: IndexFolder) -> None:
        """Raise `UserError` unless both were built together."""
        self.info.model.require(other.info.model, str(other.folder))
        if not self.is_built_with(other):
            raise UserError(
                f"{self.folder} ({self.info.documents} documents) and {other.folder} ({other.info.documents}) are of "
                "different collections; give two indexes that were built together"
            )

    def is_built_with(self, other: IndexFolder) -> bool:
        """Whether both hold the same documents."""
        facts = [(one.info.documents, one.info.collection, one.info.contents) for one in (self, other)]
        return facts[0] == facts[1]

    def store(self) -> ForwardStore:
        """The store that it was built from; `UserError` when it is gone or another one."""
        store = ForwardStore(*self.info.store_folders(self.folder))
        self.info.model.require(store.model, str(store.folders[0]))
        again = "build the indexes again with pyserini_dupmae.index"
        if len(store) != self.info.documents:
            raise UserError(
                f"{self.folder} was built from {self.info.documents} documents, but {store.folders[0]} holds "
                f"{len(store)}; {again}"
            )
        if not self.has_contents_of(store):
            raise UserError(f"{self.folder} was built from other texts or vectors than {store.folders[0]}; {again}")
        return store

    def has_contents_of(self, store: ForwardStore) -> bool:
        """Whether the numbers are those of ``store``, as far as an older version has written down which they are."""
        return self.info.contents in (None, store.digest())

    def verify(self) -> None:
        """Raise `UserError` if a file is not what was written; where nothing says what that was, it is said."""
        if self.info.files is None:
            return logger.info("%s has no checksums, which older versions did not write", self.folder)
        if found := differences(self.info.files, digest(self.folder, without=[INFO_JSON])):
            raise UserError(f"{self.folder} is damaged ({found[0]}); build it again with pyserini_dupmae.index")

    def is_of(self, store: ForwardStore) -> bool:
        """Whether this was built from ``store``."""
        folders = [folder.resolve() for folder in store.folders]
        same = self.info.documents == len(store) and self.info.model.fingerprint == store.model.fingerprint
        same = same and self.has_contents_of(store)
        return same and self.info.store_folders(self.folder) == folders

    def size(self) -> int:
        """Bytes of the files."""
        return sum(file.stat().st_size for file in self.folder.iterdir())

    def postings(self, store: ForwardStore) -> Postings:
        """Postings of ``store``, as memory maps."""
        info, model = self.info, store.model
        if info.top_k is None or info.largest_norm is None or info.largest_error is None:
            raise UserError(f"{self.folder / INFO_JSON} is damaged; build the postings again")
        bounds = DenseBounds(info.largest_norm, info.largest_error)
        return Postings.open(self.folder, len(store), model.vocab_size, model.cls_dim, info.top_k, bounds)

    def top_k(self, store: ForwardStore) -> int:
        """How many weights of a document are in a Lucene index or in postings of ``store``."""
        top_k = self.info.top_k
        if top_k is None or not 1 <= top_k <= store.top_k:
            raise UserError(f"{self.folder} keeps {top_k} weights a document, but its store {store.top_k}")
        return top_k

    def scale(self) -> float:
        """What one unit of a Lucene index is worth."""
        if self.info.scale is None:
            raise UserError(f"{self.folder / INFO_JSON} is damaged; build the index again")
        return self.info.scale
