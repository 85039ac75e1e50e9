"""Documents, queries and judgements that belong together: what ``--data SOURCE`` names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pyserini_dupmae.data import beir, ir_dataset, msmarco
from pyserini_dupmae.data.corpus import Corpus
from pyserini_dupmae.data.readers import FieldParser, FileRecords, IrDatasetRecords, Records
from pyserini_dupmae.data.topics import Topic, place_of, read_topics
from pyserini_dupmae.util.errors import UserError

LAYOUTS = (beir.LAYOUT, msmarco.LAYOUT)
SOURCE_HELP = (
    "DIR[:SPLIT], a BEIR folder (corpus.jsonl, queries.jsonl, qrels/SPLIT.tsv) or an MS MARCO folder (collection.tsv "
    "or, with titles, corpus.tsv; queries.SPLIT.tsv, qrels.SPLIT.tsv); "
    "ir_datasets:ID; or a .jsonl or .tsv file with the texts in it"
)
"""What a source may be; a file with the texts in it only where it is training data."""


@dataclass(frozen=True)
class JudgedCollection:
    """Documents, queries and judgements.

    Attributes:
        name: as the user gave it.
        corpus: a file, or ``ir_datasets:ID``.
        topics: a file; None for the queries of ``qrels``, an id of ir_datasets.
        qrels: a file or an id of ir_datasets.
    """

    name: str
    corpus: Path | str
    topics: Path | None
    qrels: Path | str

    def documents(self) -> Iterator[tuple[str, str]]:
        """Each docid and text; raises `UserError` for a record that is no document."""
        corpus = self.corpus
        records: Records = FileRecords(corpus) if isinstance(corpus, Path) else IrDatasetRecords(str(self.qrels))
        return ((document.docid, document.text) for document in Corpus(records, FieldParser()))

    def read_topics(self) -> list[Topic]:
        """Each query id and query: of a file in `read_topics`' order, else in that of the dataset."""
        if self.topics is not None:
            return read_topics(self.topics)
        queries = ir_dataset.IrDataset(str(self.qrels), "queries").queries()
        return [(qid, text.strip()) for qid, text in queries]

    def place_of(self, qid: str) -> str:
        """Where a query comes from: file and line, or the id of ir_datasets."""
        return self.name if self.topics is None else place_of(self.topics, qid)


def find_collection(name: str) -> JudgedCollection:
    """The collection called ``name``: a folder with an optional split, or an id of ir_datasets (`SOURCE_HELP`).

    Raises:
        UserError: there is no such thing, or it lacks a part.
    """
    if name.startswith(ir_dataset.PREFIX):
        dataset_id = name.removeprefix(ir_dataset.PREFIX)
        ir_dataset.IrDataset(dataset_id, *ir_dataset.PARTS)
        return JudgedCollection(name, name, None, dataset_id)
    folder, split = Path(name), None
    if not folder.is_dir() and ":" in name:
        before, _, split = name.rpartition(":")
        folder = Path(before)
    if not folder.is_dir():
        raise UserError(f"there is no training data {name!r}; give {SOURCE_HELP}")
    layout = next((layout for layout in LAYOUTS if layout.splits(folder)), None)
    if layout is None:
        raise UserError(
            f"{folder} has no judgements of the split {split or 'train'!r}: there is neither qrels/SPLIT.tsv nor "
            "qrels.SPLIT.tsv; give DIR:SPLIT"
        )
    return JudgedCollection(name, *layout.files(folder, split))
