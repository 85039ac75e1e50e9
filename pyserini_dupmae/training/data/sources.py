"""Where the documents, queries and judgements of ``--data SOURCE`` are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pyserini_dupmae.data.fields import FieldParser
from pyserini_dupmae.data.ir_dataset import DatasetPart
from pyserini_dupmae.data.lines import COMPRESSIONS
from pyserini_dupmae.data.readers import BadDocumentError, Entry, FileEntries, ir_dataset_entries
from pyserini_dupmae.data.topics import Topic, place_of, read_topics
from pyserini_dupmae.util.errors import UserError

IR_DATASETS = "ir_datasets:"
DEFAULT_SPLIT = "train"
SOURCE_HELP = (
    "DIR[:SPLIT], a BEIR folder (corpus.jsonl, queries.jsonl, qrels/SPLIT.tsv) or an MS MARCO folder (collection.tsv, "
    "queries.SPLIT.tsv, qrels.SPLIT.tsv); ir_datasets:ID; or a .jsonl or .tsv file with the texts in it"
)


@dataclass(frozen=True)
class Source:
    """Documents, topics and qrels.

    Attributes:
        name: as the user gave it.
        corpus: the file, or the name of ir_datasets, that ``entries`` come from.
        topics: a file; None for the queries of ``qrels``, an id of ir_datasets.
        qrels: a file or an id of ir_datasets.
    """

    name: str
    corpus: Path | str
    entries: Iterable[Entry]
    topics: Path | None
    qrels: Path | str

    @property
    def inputs(self) -> tuple[Path | str | None, ...]:
        """What decides its content."""
        return (self.corpus, self.topics, self.qrels)

    def documents(self) -> Iterator[tuple[str, str]]:
        """Each docid and text; raises `UserError` for a record that is no document."""
        parser = FieldParser()
        for entry in self.entries:
            try:
                yield parser.parse(entry.decode(entry.raw))
            except BadDocumentError as error:
                raise UserError(f"{entry.place}: {error}") from None

    def read_topics(self) -> list[Topic]:
        """Each query id and query; raises `UserError`."""
        if self.topics is not None:
            return read_topics(str(self.topics))
        return [(query.query_id, query.default_text().strip()) for query in DatasetPart(str(self.qrels), "queries")]

    def place_of(self, qid: str) -> str:
        """Where a query comes from: file and line, or the id of ir_datasets."""
        return self.name if self.topics is None else place_of(self.topics, qid)


def find_source(name: str) -> Source:
    """The source called ``name``: a folder with an optional split, or an id of ir_datasets.

    Raises:
        UserError: there is no such thing, or it lacks a part.
    """
    if name.startswith(IR_DATASETS):
        dataset_id = name.removeprefix(IR_DATASETS)
        for part in ("queries", "qrels"):
            DatasetPart(dataset_id, part)
        return Source(name, name, ir_dataset_entries(dataset_id), None, dataset_id)
    folder, split = Path(name), None
    if not folder.is_dir() and ":" in name:
        folder, split = Path(name.rpartition(":")[0]), name.rpartition(":")[2]
    if not folder.is_dir():
        raise UserError(f"there is no training data {name!r}; give {SOURCE_HELP}")
    if (folder / "qrels").is_dir():
        qrels = _choose(_named(folder / "qrels", ""), split, folder)[1]
        corpus, topics = _required(folder, "corpus.jsonl"), _required(folder, "queries.jsonl")
    else:
        split, qrels = _choose(_named(folder, "qrels."), split, folder)
        corpus, topics = _required(folder, "collection.tsv"), _required(folder, f"queries.{split}.tsv")
    return Source(name, corpus, FileEntries(corpus), topics, qrels)


def _named(folder: Path, prefix: str) -> dict[str, Path]:
    """Split -> file, of the files called prefix, split, .tsv, which may be compressed."""
    found = {}
    for path in sorted(folder.glob(f"{prefix}*.tsv*")):
        plain = path.with_suffix("") if path.suffix in COMPRESSIONS else path
        if plain.suffix == ".tsv":
            found[plain.name.removeprefix(prefix).removesuffix(".tsv")] = path
    return found


def _choose(found: dict[str, Path], split: str | None, folder: Path) -> tuple[str, Path]:
    if split is None:
        split = next(iter(found)) if len(found) == 1 else DEFAULT_SPLIT
    if split not in found:
        has = f"it has {', '.join(found)}" if found else "there is neither qrels/SPLIT.tsv nor qrels.SPLIT.tsv"
        raise UserError(f"{folder} has no judgements of the split {split!r}: {has}; give DIR:SPLIT")
    return split, found[split]


def _required(folder: Path, name: str) -> Path:
    for suffix in ("", *COMPRESSIONS):
        if (path := folder / (name + suffix)).is_file():
            return path
    raise UserError(f"{folder} has no {name}; training data is {SOURCE_HELP}")
