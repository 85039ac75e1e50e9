"""Hard negatives: what the current model ranks highest for each training query and is not a positive."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pyserini_dupmae.data.corpus import shard_range
from pyserini_dupmae.training.data import TrainingSet, load_training_set
from pyserini_dupmae.training.mine.selection import ScoreFilter, Selection, text_hashes
from pyserini_dupmae.training.resumable_file import ResumableFile
from pyserini_dupmae.util.errors import UserError
from pyserini_dupmae.util.log import logger

if TYPE_CHECKING:
    from pyserini_dupmae.search.searcher import DupMAESearcher

QUERIES_A_PART = 2000
DOCIDS_AT_ONCE = 1 << 20


@dataclass(frozen=True)
class MiningResult:
    """What mining did.

    Attributes:
        path: the file of negatives.
        queries: how many queries it holds.
        mined: for how many of them this call searched; an interrupted one had done the others.
        unproved: how many of these have a ranking that is not proved.
        left_out: hits of these that were left out by the teacher's scores.
        unscored: hits of these that have no score.
        seconds: how long this call took.
    """

    path: Path
    queries: int
    mined: int
    unproved: int
    left_out: int
    unscored: int
    seconds: float

    def __str__(self) -> str:
        return f"{self.path}: negatives of {self.queries} queries, {self.mined} of them mined in {self.seconds:.0f} s"


def mine(
    *,
    index: str | os.PathLike,
    data: str | os.PathLike,
    output: str | os.PathLike,
    encoder: str | os.PathLike | None = None,
    depth: int = 200,
    queries: int | None = None,
    seed: int = 0,
    shard_id: int = 0,
    shard_num: int = 1,
    mode: str = "hybrid",
    certify: int | None = None,
    skip: int = 0,
    negatives: str | os.PathLike | None = None,
    scores: str | os.PathLike | None = None,
    max_score_margin: float | None = None,
    cache: str | os.PathLike | None = None,
    batch_size: int = 64,
    threads: int | None = None,
    device: str | None = None,
    dtype: str = "auto",
    engine: str = "auto",
    overwrite: bool = False,
) -> MiningResult:
    """Mine hard negatives for the queries of a training set, by exact search with the current model.

    After an interruption the same call goes on where it was. For example::

        import pyserini_dupmae.api as dupmae

        dupmae.encode("beir/nfcorpus", encoder="STAGE1", output="OUT")
        print(dupmae.mine(index="OUT", data="beir/nfcorpus:train", output="negatives.jsonl"))

    Args:
        index: the folder that ``encode`` wrote.
        data: the training set, as docs/training-data.md names it.
        output: the file to write, ``.jsonl`` or ``.jsonl.gz``.
        encoder: the model that encoded the index: a folder or a name on the Hugging Face Hub (default: the one that
            the index records).
        depth: hits a query to choose from.
        queries: mine for so many queries, drawn at random; None for all.
        seed: of that draw.
        shard_id, shard_num: mine for one part of these queries, from 0. The parts' files one after another are the file
            of all queries.
        mode: ``hybrid`` (Eq. 12), or ``dense`` or ``sparse``, a part of it alone.
        certify: of a query's hits so many, from the top, are to be proved; None for all. Lists are shorter then, and
            the hits that follow may lack some.
        skip: leave out so many of the hardest negatives.
        negatives: negatives that the teacher has scored: an earlier ``output``.
        scores: their scores, of `score`.
        max_score_margin: leave out a hit that the teacher scores above the query's lowest positive minus this.
        cache: where prepared data is kept (default: in the user's cache folder).
        batch_size: queries taken together.
        threads: threads that search (default: one for each core that the process may use).
        device: where queries are encoded (default: a GPU if there is one).
        dtype: what they are encoded in: ``"auto"``, as the documents were, ``"float32"``, ``"bfloat16"`` or
            ``"float16"``.
        engine: how hits are found: ``scan``, ``lists`` or ``auto``, as in `search`. No negative depends on it,
            but for those after the first ``certify`` hits.
        overwrite: replace the output if it exists, and what was begun with other settings.

    Raises:
        UserError: the index was encoded with another model or holds other documents, an option or a file cannot be
            used, or ``output`` exists.
    """
    start = time.monotonic()
    file = ResumableFile(output, ".jsonl", QUERIES_A_PART, overwrite, reads=(data, negatives, scores))
    filtering = (scores, negatives, max_score_margin)
    if any(value is None for value in filtering) and filtering != (None, None, None):
        raise UserError("--scores, --negatives and --max-score-margin belong together; give all of them or none")
    if skip < 0:
        raise UserError(f"--skip must be at least 0, got {skip}")
    # Here, so that options are refused where there is neither Pyserini nor FAISS nor Java.
    from pyserini_dupmae.search.ranking import Limits
    from pyserini_dupmae.search.searcher import DupMAESearcher

    certify = depth if certify is None else certify
    Limits(depth, certify)
    searcher = DupMAESearcher(index, encoder, mode=mode, certify=certify, engine=engine, device=device, dtype=dtype)
    model = searcher.encoder
    training_set = load_training_set(data, cache)
    rows = _rows_of_index(searcher, training_set, str(index))
    score_filter = None
    if max_score_margin is not None:
        score_filter = ScoreFilter(load_training_set(data, cache, negatives, scores), max_score_margin)
    selection = Selection(training_set, text_hashes(training_set.documents), skip, score_filter)
    chosen = _sample(len(training_set.queries), queries, seed)
    part = shard_range(len(chosen), shard_id, shard_num, "queries")
    chosen = chosen[part.start : part.stop]
    miner = _Miner(searcher, training_set, selection, rows, chosen, depth, batch_size, threads)
    scored = score_filter.scored if score_filter else None
    filtered_by = (scored.positive_scores, scored.negatives, scored.negative_scores) if scored else ()
    decides = {
        "mode": mode,
        "depth": depth,
        "certify": certify,
        "engine": searcher.engines.choice.engine if certify < depth else "any",  # proved hits do not depend on it
        "skip": skip,
        "max_score_margin": max_score_margin,
        "device": str(model.model.device),
        "dtype": model.dtype,
        "sample": hashlib.sha256(chosen.tobytes()).hexdigest(),
        "model": model.identity.fingerprint,
        "index": hashlib.sha256(rows.tobytes()).hexdigest(),
        "data": training_set.digest(training_set.positives, *(column for column in filtered_by if column is not None)),
    }
    mined = file.write(decides, len(chosen), miner.entries)
    searcher.close()
    if miner.unproved:
        logger.warning("the ranking of %d queries is not proved", miner.unproved)
    left_out, unscored = (score_filter.dropped, score_filter.unknown) if score_filter else (0, 0)
    if score_filter is not None:
        logger.info("%d hits left out by score; %d had none", left_out, unscored)
    seconds = time.monotonic() - start
    return MiningResult(file.path, len(chosen), mined, miner.unproved, left_out, unscored, seconds)


def _sample(available: int, wanted: int | None, seed: int) -> np.ndarray:
    """The numbers of the queries to mine, rising: all, or so many at random."""
    numbers = np.arange(available)
    return numbers if wanted is None else np.sort(np.random.default_rng(seed).permutation(numbers)[:wanted])


def _rows_of_index(searcher: DupMAESearcher, training_set: TrainingSet, index: str) -> np.ndarray:
    """The row in ``training_set.documents`` of each row of the index: (N,) int64.

    Raises:
        UserError: the index holds a document that the source does not have.
    """
    docids = searcher.engines.exact.docids
    parts = (docids[start : start + DOCIDS_AT_ONCE] for start in range(0, len(docids), DOCIDS_AT_ONCE))
    rows = np.concatenate([np.empty(0, np.int64), *map(training_set.documents.rows, parts)])
    if (rows < 0).any():
        raise UserError(
            f"{index} holds the document {docids[int(np.argmin(rows))]!r}, but {training_set.name} has none of "
            "that id; encode the documents of the source, or give the source whose documents were encoded"
        )
    return rows


@dataclass
class _Miner:
    """Gives the negatives of the queries of ``training_set`` that have the numbers ``queries``, in their order.

    They come from the ``depth`` best hits of ``searcher``; ``rows`` is what `_rows_of_index` gives for the two.
    ``unproved`` counts the queries whose ranking is not proved.
    """

    searcher: DupMAESearcher
    training_set: TrainingSet
    selection: Selection
    rows: np.ndarray
    queries: np.ndarray
    depth: int
    batch_size: int
    threads: int | None
    unproved: int = field(default=0, init=False)

    def entries(self, part: range) -> Iterator[str]:
        """A line of JSON for each query of ``part``, by its place in ``queries``."""
        data = self.training_set
        # Together, so that there are many of one length; the searcher remembers them.
        self.searcher.encode([data.queries[query] for query in self.queries[part.start : part.stop]])
        for start in range(part.start, part.stop, self.batch_size):
            batch = self.queries[start : min(start + self.batch_size, part.stop)].tolist()
            rankings = self.searcher.rank([data.queries[query] for query in batch], self.depth, self.threads)
            for query, ranking in zip(batch, rankings, strict=True):
                self.unproved += not ranking.proved
                negatives = self.selection.negatives(query, self.rows[ranking.rows])
                docids = [data.documents.docid(row) for row in negatives.tolist()]
                yield json.dumps({"query_id": data.query_ids[query], "negatives": docids}, ensure_ascii=False) + "\n"
