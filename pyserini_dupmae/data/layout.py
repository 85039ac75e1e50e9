"""Folders that hold a collection: which of their files are the documents, the queries and the judgements."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from pyserini_dupmae.data.lines import COMPRESSIONS, find_file
from pyserini_dupmae.util.errors import UserError


class CollectionFiles(NamedTuple):
    """The files of a collection and of one split of its queries."""

    corpus: Path
    topics: Path
    qrels: Path


@dataclass(frozen=True)
class Layout:
    """Names of files, relative to the folder, in which ``{split}`` stands for the split's name.

    A file may also be compressed. Where ``titled`` is there, it is taken in the place of ``corpus``.
    """

    corpus: str
    topics: str
    qrels: str
    titled: str | None = None

    def splits(self, folder: Path) -> dict[str, Path]:
        """Split -> its judgements, of all splits of ``folder``; empty where the folder has another layout."""
        before, after = self.qrels.split("{split}")
        found = {}
        for path in sorted(folder.glob(f"{before}*{after}*")):
            plain = path.with_suffix("") if path.suffix in COMPRESSIONS else path
            name = plain.relative_to(folder).as_posix()
            if name.endswith(after):
                found[name.removeprefix(before).removesuffix(after)] = path
        return found

    def files(self, folder: Path, split: str | None) -> CollectionFiles:
        """The files of ``split``; of None the only split, or else ``train``.

        Raises:
            UserError: there is no such split, or a file is missing.
        """
        splits = self.splits(folder)
        if split is None:
            split = next(iter(splits)) if len(splits) == 1 else "train"
        if split not in splits:
            has = f"it has {', '.join(splits)}" if splits else f"there is no {self.qrels.format(split='SPLIT')}"
            raise UserError(f"{folder} has no judgements of the split {split!r}: {has}; give DIR:SPLIT")
        titled = None if self.titled is None else find_file(folder, self.titled)
        corpus = titled or self._file(folder, self.corpus)
        topics = self._file(folder, self.topics.format(split=split))
        return CollectionFiles(corpus, topics, splits[split])

    @staticmethod
    def _file(folder: Path, name: str) -> Path:
        found = find_file(folder, name)
        if found is None:
            raise UserError(f"{folder} has no {name}, which belongs to the judgements that are there")
        return found
