"""What the pair's training reads, made once: passages, queries of many kinds, and what the pair says of both."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import csr_matrix, load_npz, save_npz

from pyserini_dupmae.data.beir import LAYOUT
from pyserini_dupmae.data.jsonl import read_objects
from pyserini_dupmae.data.qrels import read_qrels
from pyserini_dupmae.data.topics import read_topics
from pyserini_dupmae.training.pair.bm25 import Stems, count_matrix, document_weights, query_weights, stacked
from pyserini_dupmae.training.pair.queries import KINDS, Query, made_query, request
from pyserini_dupmae.training.pair.teacher import Pair, Ranges, ranges_and_candidates
from pyserini_dupmae.util.errors import UserError
from pyserini_dupmae.util.files import atomic_path, require_replaceable
from pyserini_dupmae.util.json_text import read_json
from pyserini_dupmae.util.log import logger

Embed = Callable[[list[str]], np.ndarray]
"""Texts to vectors of length 1, (n, d)."""

Offsets = Callable[[list[str]], list[list[tuple[int, int]]]]
"""Texts to where each of their tokens begins and ends, special tokens left out."""

ASKED_AS_REQUEST = 0.15


@dataclass(frozen=True)
class Source:
    """One collection to train on.

    Attributes:
        corpus: .jsonl of ``text`` and, where there is one, ``title``; also ``_id`` where there are judgements.
        passages: how many of its documents are taken, at random; 0: all.
        labelled: how many of its judged queries.
        made: how many queries are made from its passages.
        topics, qrels: the judged queries, if there are any.
    """

    corpus: Path
    passages: int
    labelled: int
    made: int
    topics: Path | None = None
    qrels: Path | None = None


def parse_source(text: str) -> Source:
    """``FOLDER[:SPLIT]:PASSAGES:LABELLED:MADE`` as a `Source`; raises `UserError`."""
    name, *numbers = text.rsplit(":", 3)
    if len(numbers) != 3 or not all(number.isdecimal() for number in numbers):
        raise UserError(f"--source {text!r} is not FOLDER[:SPLIT]:PASSAGES:LABELLED:MADE")
    passages, labelled, queries = (int(number) for number in numbers)
    path, split = Path(name), "train"
    if not path.exists() and ":" in name:
        before, _, split = name.rpartition(":")
        path = Path(before)
    if path.is_file():
        return Source(path, passages, labelled, queries)
    corpus = path / LAYOUT.corpus
    if not corpus.exists():
        raise UserError(f"--source {text!r}: there is neither a file {path} nor {corpus}")
    judged = path / LAYOUT.topics, path / LAYOUT.qrels.format(split=split)
    return Source(corpus, passages, labelled, queries, *judged)


class Passage(NamedTuple):
    """``text`` begins with the title, and is cut; ``rest`` is what was cut off."""

    name: str
    title: str
    text: str
    rest: str
    source: int


@dataclass(frozen=True)
class Prepared:
    """``candidates`` (Q, K) are each query's best passages by the pair, best first, by number."""

    passages: list[str]
    queries: list[Query]
    pair: Pair
    candidates: np.ndarray


def read_passages(source: Source, number: int, offsets: Offsets, tokens: int, random: Random) -> list[Passage]:
    """The passages of ``source``, the ``number``-th: each document's first ``tokens`` tokens, title included."""
    documents = []
    for place, record in read_objects(source.corpus):
        if not isinstance(record.get("text"), str):
            raise UserError(f"{place}: no text")
        title = record.get("title") or ""
        documents.append((str(record.get("_id", place)), title, f"{title} {record['text']}".strip()))
    if source.passages and source.passages < len(documents):
        documents = random.sample(documents, source.passages)
    passages = []
    for start in range(0, len(documents), 1000):
        block = documents[start : start + 1000]
        for (name, title, text), spans in zip(block, offsets([text for *_, text in block]), strict=True):
            end = spans[tokens - 1][1] if len(spans) > tokens else len(text)
            passages.append(Passage(name, title, text[:end], text[end:], number))
    return passages


def labelled_queries(
    source: Source, number: int, passages: Sequence[Passage], first: int, random: Random
) -> list[Query]:
    """Judged queries of ``source`` with a passage that is relevant; some are asked as requests.

    ``passages`` are those of this source, numbered from ``first``.
    """
    if source.topics is None or source.qrels is None:
        return []
    numbers = {passage.name: first + i for i, passage in enumerate(passages)}
    topics, found = dict(read_topics(source.topics)), []
    for qid, judged in read_qrels(source.qrels).items():
        positives = tuple(numbers[docid] for docid, grade in judged.items() if grade > 0 and docid in numbers)
        if positives and qid in topics:
            found.append((topics[qid], positives))
    queries = []
    for text, positives in random.sample(found, min(source.labelled, len(found))):
        shown = request(text, random) if random.random() < ASKED_AS_REQUEST else text
        queries.append(Query(shown, text, number, positives, "labelled"))
    return queries


def made_queries(source: Source, number: int, passages: Sequence[Passage], first: int, random: Random) -> list[Query]:
    """Queries of all `KINDS` made from ``passages``, those of this source, numbered from ``first``."""
    queries = []
    chosen = random.sample(range(len(passages)), min(source.made, len(passages)))
    for turn, i in enumerate(chosen):
        kind, passage = KINDS[turn % len(KINDS)], passages[i]
        made = made_query(kind, passage.title, passage.text, passage.rest, random)
        if made is not None:
            queries.append(Query(*made, number, (first + i,), kind))
    return queries


def prepare(
    sources: Sequence[Source],
    output: Path,
    *,
    embed: Embed,
    offsets: Offsets,
    tokens: int = 126,
    candidates: int = 48,
    seed: int = 0,
) -> Prepared:
    """Draw passages and queries of ``sources``, let the pair judge them, and write it all to the folder ``output``.

    Args:
        embed: the bi-encoder.
        offsets: the student's tokenizer, by which passages are cut.
        tokens: of a passage, special tokens left out.
        candidates: kept of each query's own collection.
        seed: of what is drawn.
    """
    require_replaceable(output, was_prepared)
    random = Random(seed)
    passages: list[Passage] = []
    queries: list[Query] = []
    starts = [0]
    for number, source in enumerate(sources):
        own = read_passages(source, number, offsets, tokens, random)
        queries += labelled_queries(source, number, own, len(passages), random)
        queries += made_queries(source, number, own, len(passages), random)
        passages += own
        starts.append(len(passages))
    queries.sort(key=lambda query: query.source)
    logger.info("%d passages, %d queries", len(passages), len(queries))
    texts = [passage.text for passage in passages]
    words = _words(texts, queries, starts)
    vectors = embed([query.asked for query in queries]), embed(texts)
    limits, best = [], []
    for number, (start, end) in enumerate(pairwise(starts)):
        mine = np.flatnonzero([query.source == number for query in queries])
        found, top = ranges_and_candidates(
            words[0][mine], words[1][start:end], vectors[0][mine], vectors[1][start:end], candidates
        )
        limits.append(np.stack(list(vars(found).values())))
        best.append(np.resize(top, (len(top), candidates)) + start)
    pair = Pair(*words, *vectors, Ranges(*np.concatenate(limits, axis=1)))
    prepared = Prepared(texts, queries, pair, np.concatenate(best))
    _write(prepared, output, {"seed": seed, "tokens": tokens, "sources": [_named(source) for source in sources]})
    return prepared


def was_prepared(folder: Path) -> bool:
    """Whether a folder is one that `prepare` wrote."""
    return (folder / "texts.json").exists() and (folder / "arrays.npz").exists()


def load_prepared(folder: Path) -> Prepared:
    """What `prepare` wrote to ``folder``."""
    if not was_prepared(folder):
        raise UserError(f"{folder} was not made by python -m pyserini_dupmae.training.pair prepare")
    texts = read_json(folder / "texts.json")
    arrays = np.load(folder / "arrays.npz")
    pair = Pair(
        load_npz(folder / "query_words.npz"),
        load_npz(folder / "passage_words.npz"),
        arrays["query_vectors"],
        arrays["passage_vectors"],
        Ranges(*arrays["ranges"]),
    )
    queries = [Query(text, asked, source, tuple(own), kind) for text, asked, source, own, kind in texts["queries"]]
    return Prepared(texts["passages"], queries, pair, arrays["candidates"])


def _words(texts: list[str], queries: list[Query], starts: list[int]) -> tuple[csr_matrix, csr_matrix]:
    """BM25's matrices (Q, V) and (N, V); idf and mean length are those of each source alone."""
    stems = Stems()
    of_queries, of_passages = [], []
    for number, (start, end) in enumerate(pairwise(starts)):
        counts = count_matrix(texts[start:end], stems)
        asked = count_matrix([query.asked for query in queries if query.source == number], stems)
        known = csr_matrix((counts.data, counts.indices, counts.indptr), (end - start, len(stems)))
        saturated, idf = document_weights(known)
        of_passages.append(saturated)
        of_queries.append(query_weights(asked, idf))
    return stacked(of_queries, len(stems)), stacked(of_passages, len(stems))


def _write(prepared: Prepared, output: Path, settings: dict[str, Any]) -> None:
    pair = prepared.pair
    with atomic_path(output) as folder:
        folder.mkdir()
        texts = {"settings": settings, "passages": prepared.passages, "queries": prepared.queries}
        (folder / "texts.json").write_text(json.dumps(texts), encoding="utf-8")
        save_npz(folder / "query_words.npz", pair.query_words)
        save_npz(folder / "passage_words.npz", pair.passage_words)
        np.savez(
            folder / "arrays.npz",
            query_vectors=pair.query_vectors.astype(np.float16),
            passage_vectors=pair.passage_vectors.astype(np.float16),
            ranges=np.stack(list(vars(pair.ranges).values())),
            candidates=prepared.candidates,
        )


def _named(source: Source) -> dict[str, Any]:
    return {name: str(value) if isinstance(value, Path) else value for name, value in asdict(source).items()}
