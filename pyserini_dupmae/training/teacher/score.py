"""Scoring the positives and negatives of a source with a teacher."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from pyserini_dupmae.modeling.loading import DTYPES
from pyserini_dupmae.training.data import SOURCE_HELP, TrainingSet, load_training_set
from pyserini_dupmae.training.identity import content_digest
from pyserini_dupmae.training.resumable_file import PartedFile
from pyserini_dupmae.training.teacher.loading import load_bi_encoder, load_cross_encoder, weights_digest
from pyserini_dupmae.training.teacher.scorers import BiEncoderScorer, CrossEncoderScorer, Scorer
from pyserini_dupmae.util.command import positive_int
from pyserini_dupmae.util.errors import UserError
from pyserini_dupmae.util.files import user_cache

QUERIES_A_PART = 200


def main(argv: Sequence[str]) -> None:
    """Parse the options and score; raises `UserError`."""
    options = _parse(argv)
    output = PartedFile(options.output, ".tsv", QUERIES_A_PART, options.overwrite)
    load = load_bi_encoder if options.bi_encoder else load_cross_encoder
    model = load(options.teacher, options.device, options.dtype, options.max_length)
    data = load_training_set(options.data, options.cache, options.negatives)
    if options.negatives:
        data = data.mined()
    documents = [
        np.concatenate([positives, negatives[: options.depth]])
        for positives, negatives in zip(data.positives, data.negatives, strict=True)
    ]
    kind = BiEncoderScorer if options.bi_encoder else CrossEncoderScorer
    scorer = kind(model, data, documents, options.batch_size)
    settings = {name: getattr(options, name) for name in ("bi_encoder", "max_length", "dtype", "device", "batch_size")}
    settings |= {"teacher": weights_digest(model), "data": content_digest(data, documents)}
    output.write(settings, len(documents), lambda part: _entries(part, scorer, data, documents))


def _entries(part: range, scorer: Scorer, data: TrainingSet, documents: Sequence[np.ndarray]) -> Iterator[str]:
    """The lines of each query of ``part``: positives first, then negatives, the hardest first."""
    scores = scorer.scores(part)
    if not np.isfinite(scores).all():
        raise UserError("the teacher gave NaN or infinity for a pair; score in float32")
    ends = np.cumsum([len(documents[query]) for query in part])
    for query, found in zip(part, np.split(scores, ends[:-1]), strict=True):
        docids = map(data.documents.docid, documents[query].tolist())
        lines = zip(docids, found.tolist(), strict=True)
        yield "".join(f"{data.query_ids[query]}\t{docid}\t{score:.6f}\n" for docid, score in lines)


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m pyserini_dupmae.training.teacher score",
        description="Score the positives and negatives of each query that has negatives, with a teacher: raw logits "
        "of a cross-encoder.",
    )
    add = parser.add_argument
    add("--teacher", required=True, metavar="MODEL", help="a cross-encoder: a folder or a name on the Hub")
    add(
        "--bi-encoder", action="store_true", help="the teacher is a SentenceTransformer; its cosines times 20 are taken"
    )
    add("--data", required=True, metavar="SOURCE", help=SOURCE_HELP)
    add("--negatives", type=Path, metavar="FILE", help="scored beside the positives (default: these of all queries)")
    add("--output", required=True, metavar="FILE", help="scores to write: .tsv or .tsv.gz")
    add("--depth", type=positive_int, metavar="N", help="the N hardest negatives of a query alone (default: all)")
    add("--max-length", type=positive_int, metavar="N", help="tokens of a pair (default: the teacher's own)")
    add("--cache", type=Path, default=user_cache() / "training", metavar="DIR", help="where prepared data is kept")
    add("--batch-size", type=positive_int, default=64, metavar="N", help="pairs computed together (default: 64)")
    add("--device", default="cpu", help="where the teacher runs (default: cpu)")
    add("--dtype", choices=tuple(DTYPES), default="float32", help="its precision (default: float32)")
    add("--overwrite", action="store_true", help="replace the output if it exists, and parts of other settings")
    return parser.parse_args(argv)
