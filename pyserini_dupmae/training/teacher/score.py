"""Scoring the positives and negatives of a training set with a teacher: a cross-encoder, or a bi-encoder."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np
import torch

from pyserini_dupmae.data.corpus import hash64
from pyserini_dupmae.modeling.loading import default_device, resolve_dtype
from pyserini_dupmae.training.data import TrainingSet, load_training_set
from pyserini_dupmae.training.resumable_file import ResumableFile
from pyserini_dupmae.training.teacher.loading import load_bi_encoder, load_cross_encoder, weights_digest
from pyserini_dupmae.util.errors import UserError, require_positive
from pyserini_dupmae.util.processes import in_processes
from pyserini_dupmae.util.progress import Progress

QUERIES_A_PART = 200
COSINE_SCALE = 20.0
"""What sentence-transformers' ranking losses multiply cosines by, so that a softmax over them is not flat."""
TEXTS_AT_A_TIME = 20_000

ScoresOf = Callable[[range], np.ndarray]
"""Queries -> the scores of each with its documents, one query after another: (pairs,) float32."""


@dataclass(frozen=True)
class ScoringResult:
    """What scoring did.

    Attributes:
        path: the file of scores.
        queries: how many queries it holds.
        pairs: how many scores.
        scored: the queries that this call scored; an interrupted one had done the others.
        seconds: how long this call took.
    """

    path: Path
    queries: int
    pairs: int
    scored: int
    seconds: float

    def __str__(self) -> str:
        done = f"{self.scored} of them scored in {self.seconds:.0f} s"
        return f"{self.path}: {self.pairs} scores of {self.queries} queries, {done}"


def score(
    *,
    teacher: str | os.PathLike,
    data: str | os.PathLike,
    output: str | os.PathLike,
    negatives: str | os.PathLike | None = None,
    bi_encoder: bool = False,
    depth: int | None = None,
    sample: int | None = None,
    seed: int = 0,
    queries: int | None = None,
    max_length: int | None = None,
    cache: str | os.PathLike | None = None,
    batch_size: int = 64,
    device: str | None = None,
    dtype: str = "auto",
    processes: int = 1,
    overwrite: bool = False,
) -> ScoringResult:
    """Score the positives and negatives of each query with a teacher, for stage 3 (Eq. 15).

    After an interruption the same call goes on where it was. For example::

        import pyserini_dupmae.api as dupmae

        print(dupmae.score(teacher="TEACHER", data="beir/nfcorpus:train", negatives="negatives.jsonl",
                           output="scores.tsv"))

    Args:
        teacher: a cross-encoder of sentence-transformers, of which raw logits are taken: a folder or a name on the
            Hugging Face Hub.
        data: the training set, as docs/training-data.md names it.
        output: the file to write, ``.tsv`` or ``.tsv.gz``.
        negatives: what is scored beside the positives, of the queries that have some; None for the positives of all
            queries, and the negatives that the training set itself may have.
        bi_encoder: the teacher is a SentenceTransformer; its cosines times 20 are taken.
        depth: the hardest so many negatives of a query alone; None for all. Training draws from its own ``depth``.
        sample: of these so many, drawn at random; None for all. A run of E epochs with groups of G documents draws at
            most E x (G - 1) of a query.
        seed: of that draw, and of that of ``queries``.
        queries: score so many queries, drawn at random; None for all.
        max_length: tokens of a pair, of a bi-encoder of a text; None for the teacher's own.
        cache: where prepared data is kept (default: in the user's cache folder).
        batch_size: pairs computed together.
        device: where the teacher runs (default: a GPU if there is one).
        dtype: its precision: ``"float32"``, ``"bfloat16"``, ``"float16"``, or ``"auto"``: bfloat16 on a GPU that has it
            natively, else float32.
        processes: how many score, each with its share of the queries and one GPU, or on a CPU with a part of its cores.
            The scores are those of one process. A script that gives more than 1 needs ``if __name__ == "__main__":``.
        overwrite: replace the output if it exists, and what was begun with other settings.

    Raises:
        UserError: there is no such teacher, a file cannot be used, a score is not finite, or ``output`` exists.
    """
    start = time.monotonic()
    require_positive(depth=depth, sample=sample, queries=queries, batch_size=batch_size, processes=processes)
    if bi_encoder and processes > 1:
        raise UserError("several processes score with a cross-encoder alone; leave out --processes")
    file = ResumableFile(output, ".tsv", QUERIES_A_PART, overwrite, reads=(data, negatives))
    device = device or default_device()
    job = _Job(
        teacher=str(teacher),
        data=str(data),
        output=Path(output),
        negatives=None if negatives is None else Path(negatives),
        bi_encoder=bi_encoder,
        depth=depth,
        sample=sample,
        seed=seed,
        queries=queries,
        max_length=max_length,
        cache=None if cache is None else Path(cache),
        batch_size=batch_size,
        device=device,
        dtype=resolve_dtype(dtype, device),
    )
    model = job.model(device if processes == 1 else "cpu")  # of several processes this one only tells the weights
    training_set = job.training_set()
    documents = job.documents(training_set)
    decides = {
        "bi_encoder": bi_encoder,
        "max_length": max_length,
        "dtype": job.dtype,
        "device": device,
        "batch_size": batch_size,
        "teacher": model.digest(),
        "data": training_set.digest(documents),
    }
    with file.alone():
        scored = file.begin(decides, len(documents))
        if processes == 1:
            scores_of = model.prepare(training_set, documents)
            file.fill(len(documents), lambda part: _entries(part, scores_of, training_set, documents))
        else:
            del model  # its memory is for the processes
            in_processes(partial(_work, job, processes, torch.get_num_threads()), processes, "the scoring")
        file.join(len(documents))
    return ScoringResult(file.path, len(documents), sum(map(len, documents)), scored, time.monotonic() - start)


@dataclass(frozen=True)
class _Job:
    """What every process has to know; the attributes are the arguments of `score`."""

    teacher: str
    data: str
    output: Path
    negatives: Path | None
    bi_encoder: bool
    depth: int | None
    sample: int | None
    seed: int
    queries: int | None
    max_length: int | None
    cache: Path | None
    batch_size: int
    device: str
    dtype: str

    def model(self, device: str) -> Teacher:
        kind = BiEncoder if self.bi_encoder else LogitsOfCrossEncoder
        return kind(self.teacher, device, self.dtype, self.max_length, self.batch_size)

    def training_set(self) -> TrainingSet:
        """The queries to score."""
        found = load_training_set(self.data, self.cache, self.negatives)
        if self.negatives is not None:
            found = found.mined()
        if self.queries is None:
            return found
        chosen = np.random.default_rng(self.seed).permutation(len(found.queries))[: self.queries]
        return found.only(np.sort(chosen))

    def documents(self, data: TrainingSet) -> list[np.ndarray]:
        """Of each query the rows to score: its positives, then negatives, the hardest first."""
        return [
            np.concatenate([positives, self._drawn(negatives[: self.depth], query_id)])
            for query_id, positives, negatives in zip(data.query_ids, data.positives, data.negatives, strict=True)
        ]

    def _drawn(self, negatives: np.ndarray, query_id: str) -> np.ndarray:
        if self.sample is None or len(negatives) <= self.sample:
            return negatives
        random = np.random.default_rng((self.seed, hash64(query_id)))
        return negatives[np.sort(random.permutation(len(negatives))[: self.sample])]


def _work(job: _Job, count: int, threads: int, number: int) -> None:
    """Score the share of process ``number`` of ``count``."""
    torch.set_num_threads(max(1, threads // count))
    device = f"cuda:{number % torch.cuda.device_count()}" if job.device == "cuda" else job.device
    training_set = job.training_set()
    documents = job.documents(training_set)
    scores_of = job.model(device).prepare(training_set, documents)
    file = ResumableFile(job.output, ".tsv", QUERIES_A_PART, overwrite=True)
    file.fill(len(documents), lambda part: _entries(part, scores_of, training_set, documents), number, count)


def _entries(part: range, scores_of: ScoresOf, data: TrainingSet, documents: Sequence[np.ndarray]) -> Iterator[str]:
    """The lines of each query of ``part``: positives first, then negatives, the hardest first."""
    scores = scores_of(part)
    if not np.isfinite(scores).all():
        raise UserError("the teacher gave NaN or infinity for a pair; score in float32")
    ends = np.cumsum([len(documents[query]) for query in part])
    for query, found in zip(part, np.split(scores, ends[:-1]), strict=True):
        docids = map(data.documents.docid, documents[query].tolist())
        lines = zip(docids, found.tolist(), strict=True)
        yield "".join(f"{data.query_ids[query]}\t{docid}\t{score:.6f}\n" for docid, score in lines)


class Teacher(Protocol):
    """A model that scores queries and documents."""

    def __init__(self, name: str, device: str, dtype: str, max_length: int | None, batch_size: int): ...

    def digest(self) -> str:
        """A hash of the weights."""
        ...

    def prepare(self, data: TrainingSet, documents: Sequence[np.ndarray]) -> ScoresOf:
        """A function that scores queries of ``data`` with their ``documents``: rows (n,) int64 for each query."""
        ...


class LogitsOfCrossEncoder:
    """Raw logits."""

    def __init__(self, name: str, device: str, dtype: str, max_length: int | None, batch_size: int):
        self.model, self.batch_size = load_cross_encoder(name, device, dtype, max_length), batch_size

    def digest(self) -> str:
        return weights_digest(self.model)

    def prepare(self, data: TrainingSet, documents: Sequence[np.ndarray]) -> ScoresOf:
        def scores_of(part: range) -> np.ndarray:
            pairs = [(data.queries[i], text) for i in part for text in data.documents.texts(documents[i])]
            # `predict` sorts by length, so that little is computed for padding.
            logits: np.ndarray = self.model.predict(
                pairs, batch_size=self.batch_size, activation_fn=torch.nn.Identity(), show_progress_bar=False
            )
            return logits

        return scores_of


class BiEncoder:
    """Cosines, times `COSINE_SCALE`.

    Every text is embedded once, and all of them before the first score, so that none depends on where an interrupted
    run went on. The embeddings are held in memory.
    """

    def __init__(self, name: str, device: str, dtype: str, max_length: int | None, batch_size: int):
        self.model, self.batch_size = load_bi_encoder(name, device, dtype, max_length), batch_size

    def digest(self) -> str:
        return weights_digest(self.model)

    def prepare(self, data: TrainingSet, documents: Sequence[np.ndarray]) -> ScoresOf:
        rows = np.unique(np.concatenate(documents))
        blocks = np.split(rows, range(TEXTS_AT_A_TIME, len(rows), TEXTS_AT_A_TIME))
        queries = self._embed(data.queries)  # (queries, d)
        found = []
        with Progress("embedding", len(rows), "texts") as progress:
            for block in blocks:
                found.append(self._embed(data.documents.texts(block)))
                progress.update(len(block))
        embeddings = np.concatenate(found)  # (rows, d)

        def scores_of(part: range) -> np.ndarray:
            of_part = documents[part.start : part.stop]
            left = queries[np.repeat(part, [len(found) for found in of_part])]  # (pairs, d)
            right = embeddings[np.searchsorted(rows, np.concatenate(of_part))]  # (pairs, d)
            scores: np.ndarray = COSINE_SCALE * np.einsum("ij,ij->i", left, right)
            return scores

        return scores_of

    def _embed(self, texts: list[str]) -> np.ndarray:
        embeddings: np.ndarray = self.model.encode(
            texts, batch_size=self.batch_size, normalize_embeddings=True, show_progress_bar=False
        )
        return embeddings
