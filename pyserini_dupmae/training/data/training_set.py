"""A source of training data, read once and kept in the cache as arrays that are memory-mapped."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from pyserini_dupmae.data.judged_collection import JudgedCollection, find_collection
from pyserini_dupmae.data.qrels import judgements, read_qrels
from pyserini_dupmae.training.data.cache import build_once, content_key
from pyserini_dupmae.training.data.documents import Documents, write_documents
from pyserini_dupmae.training.data.inline import NEGATIVES, SCORES, write_folder
from pyserini_dupmae.training.data.negatives import read_negatives
from pyserini_dupmae.training.data.ragged import Ragged
from pyserini_dupmae.training.data.resolve_ids import resolve
from pyserini_dupmae.training.data.scores import read_scores
from pyserini_dupmae.util.errors import UserError
from pyserini_dupmae.util.files import write_json
from pyserini_dupmae.util.log import logger

RELEVANT = 1
QUERIES = "queries.json"


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
    documents: Documents
    query_ids: list[str]
    queries: list[str]
    positives: Sequence[np.ndarray]
    relevance: Sequence[np.ndarray]
    negatives: Sequence[np.ndarray]
    positive_scores: Sequence[np.ndarray] | None = None
    negative_scores: Sequence[np.ndarray] | None = None

    def mined(self) -> TrainingSet:
        """The queries that have a hard negative, without scores."""
        kept = [number for number, rows in enumerate(self.negatives) if len(rows)]
        parts = ("query_ids", "queries", "positives", "relevance", "negatives")
        return TrainingSet(
            self.name, self.documents, **{name: [getattr(self, name)[number] for number in kept] for name in parts}
        )


def load_training_set(
    source: str, cache: Path, negatives: Path | None = None, scores: Path | None = None
) -> TrainingSet:
    """Read ``source`` (`SOURCE_HELP`), from ``cache`` when its files have not changed since.

    The files ``negatives`` and ``scores`` take the place of those that a source with its texts inline may have.

    Raises:
        UserError: something is not there or a line cannot be used; names file and line.
    """
    if Path(source).is_file():
        inline = Path(source)
        folder = build_once(cache / f"inline-{content_key([inline])}", lambda to: write_folder(inline, to))
        found = replace(find_collection(str(folder)), name=source)
        negatives, scores = negatives or _if_there(folder / NEGATIVES), scores or _if_there(folder / SCORES)
    else:
        found = find_collection(source)
    documents = Documents(
        build_once(
            cache / f"documents-{content_key([found.corpus])}", lambda to: write_documents(found.documents(), to)
        )
    )
    key = content_key([found.corpus, found.topics, found.qrels, negatives, scores])
    folder = build_once(cache / f"training-{key}", lambda to: _write(found, documents, negatives, scores, to))
    described = json.loads((folder / QUERIES).read_text(encoding="utf-8"))
    arrays = {path.name.partition(".")[0] for path in folder.glob("*.npy")}
    return TrainingSet(source, documents, **described, **{name: Ragged.load(folder, name) for name in arrays})


def load_training_sets(
    sources: Sequence[str], cache: Path, negatives: Sequence[Path] = (), scores: Sequence[Path] = ()
) -> list[TrainingSet]:
    """`load_training_set` of each source, with the files of ``negatives`` and ``scores`` in the sources' order.

    Raises:
        UserError: as there, or there are files, but not one for each source.
    """
    for name, files in (("negatives", negatives), ("scores", scores)):
        if files and len(files) != len(sources):
            raise UserError(
                f"--{name} names {len(files)} files for {len(sources)} sources; give one for each --data, in its order"
            )
    nothing = [None] * len(sources)
    beside = zip(sources, negatives or nothing, scores or nothing, strict=True)
    return [load_training_set(source, cache, *files) for source, *files in beside]


def _if_there(path: Path) -> Path | None:
    return path if path.exists() else None


def _write(
    source: JudgedCollection, documents: Documents, negatives: Path | None, scores: Path | None, folder: Path
) -> None:
    topics = source.read_topics()
    positives, relevance = _judged(source, [qid for qid, _ in topics], documents)
    kept = np.flatnonzero(np.diff(positives.ends, prepend=0))
    for number in kept:
        if not topics[number][1]:
            qid = topics[number][0]
            raise UserError(f"{source.place_of(qid)}: the query {qid!r} is empty; give its text")
    if not len(kept):
        raise UserError(f"{source.qrels}: no query has a document of relevance {RELEVANT} or more; nothing to train on")
    logger.info("%s: %d of %d queries have a positive", source.name, len(kept), len(topics))
    arrays = {"positives": positives.take(kept), "relevance": relevance.take(kept)}
    numbers = dict.fromkeys((qid for qid, _ in topics), -1) | {topics[n][0]: i for i, n in enumerate(kept)}
    arrays["negatives"] = _negatives(negatives, arrays["positives"], source, numbers, documents)
    if scores is not None:
        arrays |= _scores(scores, arrays, source, numbers, documents)
    for name, array in arrays.items():
        array.save(folder, name)
    queries = {"query_ids": [topics[number][0] for number in kept], "queries": [topics[number][1] for number in kept]}
    write_json(folder / QUERIES, queries)


def _judged(source: JudgedCollection, query_ids: list[str], documents: Documents) -> tuple[Ragged, Ragged]:
    """Of each query the rows and the relevance of its positives."""
    qrels = read_qrels(source.qrels)
    if unknown := qrels.keys() - set(query_ids):
        first = next(item for item in judgements(source.qrels) if item.qid in unknown)
        raise UserError(f"{first.where}: there is no query {first.qid!r} in {source.topics or source.name}")
    judged = [(number, *item) for number, qid in enumerate(query_ids) for item in qrels.get(qid, {}).items()]
    owners, docids, relevance = (list(column) for column in zip(*judged, strict=True))
    rows = documents.rows(docids)
    if (rows < 0).any():
        unknown = {docids[place] for place in np.flatnonzero(rows < 0)}
        first = next(item for item in judgements(source.qrels) if item.docid in unknown)
        raise UserError(f"{first.where}: there is no document {first.docid!r} in the corpus of {source.name}")
    relevant = np.array(relevance) >= RELEVANT
    positives = Ragged.grouped(rows[relevant], np.array(owners)[relevant], len(query_ids))
    return positives, positives.like(np.array(relevance)[relevant])


def _negatives(
    path: Path | None, positives: Ragged, source: JudgedCollection, numbers: Mapping[str, int], documents: Documents
) -> Ragged:
    """Of each query its negatives in the order of the file, each once and no positive among them."""
    if path is None:
        return Ragged(np.zeros(0, np.int64), np.zeros(len(positives), np.int64))
    pairs = resolve(read_negatives(path), numbers, documents, source.name)
    keys = _keys(pairs.queries, pairs.rows, documents)
    is_positive = _places(keys, np.sort(_keys(positives.owners, positives.values, documents))) >= 0
    if is_positive.any():
        logger.info("%s: %d negatives are positives of their query and are dropped", path, is_positive.sum())
    _, first = np.unique(keys[~is_positive], return_index=True)
    if not len(first):
        raise UserError(f"{path} has no negative for any query of {source.name} that has a positive")
    queries, rows = pairs.queries[~is_positive], pairs.rows[~is_positive]
    first = first[np.lexsort((first, queries[first]))]
    return Ragged.grouped(rows[first], queries[first], len(positives))


def _scores(
    path: Path, arrays: Mapping[str, Ragged], source: JudgedCollection, numbers: Mapping[str, int], documents: Documents
) -> dict[str, Ragged]:
    """The scores of the positives and negatives in ``arrays``, float32, NaN where the file has none."""
    pairs = resolve(read_scores(path), numbers, documents, source.name)
    keys, first = np.unique(_keys(pairs.queries, pairs.rows, documents), return_index=True)
    if not len(keys):
        raise UserError(f"{path} has no score for any query of {source.name} that has a positive")
    found = {}
    for name in ("positives", "negatives"):
        wanted = _keys(arrays[name].owners, arrays[name].values, documents)
        scores = np.full(len(wanted), np.nan, np.float32)
        places = _places(wanted, keys)
        scores[places >= 0] = pairs.scores[first[places[places >= 0]]]
        found[f"{name.removesuffix('s')}_scores"] = arrays[name].like(scores)
    if all(np.isnan(array.values).all() for array in found.values()):
        raise UserError(f"{path} has no score of a positive or a negative of {source.name}")
    return found


def _keys(queries: np.ndarray, rows: np.ndarray, documents: Documents) -> np.ndarray:
    """One number for each pair of a query and a document, (n,) int64."""
    return queries * len(documents) + rows


def _places(wanted: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """The place of each of ``wanted`` (n,) in ``keys`` (m > 0,), which ascend: (n,) int64, -1 where it is not."""
    places = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[places] == wanted, places, -1)
