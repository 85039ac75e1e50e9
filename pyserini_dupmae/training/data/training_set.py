"""A source of training data, read once and kept in the cache as arrays that are memory-mapped."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from pyserini_dupmae.data.judged_collection import find_collection
from pyserini_dupmae.data.msmarco import TITLE_END, has_titles
from pyserini_dupmae.training.data.arrays import QUERIES, Ragged, write_arrays
from pyserini_dupmae.training.data.documents import DocumentFiles, write_documents
from pyserini_dupmae.training.data.inline import NEGATIVES, SCORES, write_folder
from pyserini_dupmae.util.cache import build_once, content_key
from pyserini_dupmae.util.errors import UserError
from pyserini_dupmae.util.files import user_cache
from pyserini_dupmae.util.json_text import read_json

AnyPath = str | os.PathLike
Paths = AnyPath | Sequence[AnyPath]
"""One, or several."""


@dataclass
class TrainingSet:
    """The queries of a source that have a positive, in the order in which topics are read (`read_topics`).

    Attributes:
        name: the source as the user gave it.
        documents: all documents of the source; what follows are rows of it.
        query_ids, queries: ids and texts.
        positives: of each query the rows of relevance 1 and above, (p,) int64.
        relevance: of each positive its relevance, (p,) int64.
        negatives: of each query the rows of its hard negatives, (n,) int64, the hardest first, none of them a positive;
            empty where there are none.
        positive_scores, negative_scores: of each of them the teacher's score, float32, NaN where the file has none;
            None when no scores were given.
    """

    name: str
    documents: DocumentFiles
    query_ids: list[str]
    queries: list[str]
    positives: Sequence[np.ndarray]
    relevance: Sequence[np.ndarray]
    negatives: Sequence[np.ndarray]
    positive_scores: Sequence[np.ndarray] | None = None
    negative_scores: Sequence[np.ndarray] | None = None

    def mined(self) -> TrainingSet:
        """The queries that have a hard negative, without scores."""
        return self.only(np.array([number for number, rows in enumerate(self.negatives) if len(rows)], np.int64))

    def only(self, queries: np.ndarray) -> TrainingSet:
        """The queries with the numbers ``queries`` (n,), without scores."""
        parts = ("query_ids", "queries", "positives", "relevance", "negatives")
        kept = queries.tolist()
        return TrainingSet(
            self.name, self.documents, **{name: [getattr(self, name)[number] for number in kept] for name in parts}
        )

    def digest(self, *columns: Iterable[np.ndarray]) -> str:
        """A hash of documents, queries, and ``columns`` that give an array for each query.

        Work that was begun on a set goes on only with the same.
        """
        found = hashlib.sha256(self.documents.folder.name.encode())  # the folder is named by its content
        found.update(json.dumps([self.query_ids, self.queries]).encode())
        for column in columns:
            for array in column:
                found.update(f"{array.dtype}{len(array)}".encode())
                found.update(array.tobytes())
        return found.hexdigest()


def default_cache() -> Path:
    """Where prepared training data is kept unless the user says otherwise."""
    return user_cache() / "training"


def load_training_set(
    source: AnyPath, cache: AnyPath | None = None, negatives: AnyPath | None = None, scores: AnyPath | None = None
) -> TrainingSet:
    """Read ``source`` (`SOURCE_HELP`), from ``cache`` when its files have not changed since.

    The files ``negatives`` and ``scores`` take the place of those that a source with its texts inline may have.

    Raises:
        UserError: something is not there or a line cannot be used; names file and line.
    """
    name, cache = str(source), default_cache() if cache is None else Path(cache)
    mined, scored = (None if path is None else Path(path) for path in (negatives, scores))
    if (inline := Path(name)).is_file():
        folder = build_once(cache / f"inline-{content_key([inline])}", lambda to: write_folder(inline, to))
        found = replace(find_collection(str(folder)), name=name)
        mined, scored = mined or _if_there(folder / NEGATIVES), scored or _if_there(folder / SCORES)
    else:
        found = find_collection(name)
    # Named apart from what was made before titles were joined by [SEP].
    corpus = [found.corpus, *([TITLE_END] if isinstance(found.corpus, Path) and has_titles(found.corpus) else [])]
    key = content_key(corpus)
    documents = DocumentFiles(build_once(cache / f"documents-{key}", lambda to: write_documents(found.documents(), to)))
    key = content_key([*corpus, found.topics, found.qrels, mined, scored])
    folder = build_once(cache / f"training-{key}", lambda to: write_arrays(found, documents, mined, scored, to))
    texts = read_json(folder / QUERIES)
    arrays = {path.name.partition(".")[0] for path in folder.glob("*.npy")}
    of = {array: Ragged.load(folder, array) for array in arrays}
    return TrainingSet(
        name,
        documents,
        texts["query_ids"],
        texts["queries"],
        of["positives"],
        of["relevance"],
        of["negatives"],
        of.get("positive_scores"),
        of.get("negative_scores"),
    )


def load_training_sets(
    sources: Paths, cache: AnyPath | None = None, negatives: Paths = (), scores: Paths = ()
) -> list[TrainingSet]:
    """`load_training_set` of each source, with the files of ``negatives`` and ``scores`` in the sources' order.

    Raises:
        UserError: as there, or there are files, but not one for each source.
    """
    sources = listed(sources)
    beside: list[list[AnyPath | None]] = []
    for name, given in (("negatives", negatives), ("scores", scores)):
        files = listed(given)
        if files and len(files) != len(sources):
            raise UserError(
                f"--{name} names {len(files)} files for {len(sources)} sources; give one for each --data, in its order"
            )
        beside.append([*files] if files else [None] * len(sources))
    return [load_training_set(source, cache, *files) for source, *files in zip(sources, *beside, strict=True)]


def _if_there(path: Path) -> Path | None:
    return path if path.exists() else None


def listed(paths: Paths) -> list[AnyPath]:
    """One path, or several, as a list."""
    return [paths] if isinstance(paths, str | os.PathLike) else list(paths)
