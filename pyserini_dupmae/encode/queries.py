"""Encoding topics once, into the files that Pyserini's commands take in place of a model."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from pyserini_dupmae.data.topics import Topics, read_topics
from pyserini_dupmae.modeling.default import DEFAULT_MODEL
from pyserini_dupmae.modeling.impacts import impacts
from pyserini_dupmae.modeling.query_encoder import EncodedQuery, QueryModel
from pyserini_dupmae.util.errors import UserError, require_positive
from pyserini_dupmae.util.files import atomic_open, atomic_path, require_folder
from pyserini_dupmae.util.lazy import require

EMBEDDINGS = "embedding.pkl"
IMPACTS = "queries.jsonl"


@dataclass(frozen=True)
class EncodedTopics:
    """What `encode_queries` wrote: ``folder/embedding.pkl`` and ``folder/queries.jsonl``, of ``queries`` each.

    ``terms`` is how many terms a query has in the latter, on average.
    """

    folder: Path
    queries: int
    terms: float

    def __str__(self) -> str:
        return (
            f"{self.queries} queries in {self.folder}: --encoded-queries {self.folder} for the dense side, "
            f"--encoder {self.folder / IMPACTS} for the sparse side; {self.terms:.1f} terms on average"
        )


def encode_queries(
    topics: Topics,
    *,
    output: str | os.PathLike,
    encoder: str | os.PathLike | None = None,
    batch_size: int = 64,
    device: str = "cpu",
    overwrite: bool = False,
) -> EncodedTopics:
    """Encode topics once, for Pyserini's commands.

    For example::

        import pyserini_dupmae.api as dupmae

        print(dupmae.encode_queries({"1": "why do tides rise?"}, output="QUERIES"))

    writes ``QUERIES/embedding.pkl``, a pandas table of id, text and embedding, which Pyserini takes as
    ``--encoded-queries QUERIES``, and ``QUERIES/queries.jsonl``, lines of ``{"id", "contents", "vector": {term: whole
    number}}``, which it takes as ``--encoder QUERIES/queries.jsonl``.

    Args:
        topics: a name of Pyserini's, a file, an ir_datasets id, pairs of query id and text, or query id -> text.
        output: the folder to write to.
        encoder: a DupMAE model: a folder, or a name on the Hub (default: the package's own).
        batch_size: queries encoded at a time.
        device: where the model runs: ``cpu``, ``cuda``, ``cuda:1``, ...
        overwrite: replace what an earlier call wrote.

    Raises:
        UserError: there are no such topics or model, the files exist, or pandas is not installed.
    """
    folder = require_folder(output)
    require_positive(batch_size=batch_size)
    present = [str(folder / name) for name in (EMBEDDINGS, IMPACTS) if (folder / name).exists()]
    if present and not overwrite:
        raise UserError(f"{' and '.join(present)} exist already; give --overwrite to replace, or another --output")
    pairs = read_topics(topics)
    pandas = require("pandas", "a table of encoded queries", "pandas")
    qids, texts = zip(*pairs, strict=True)
    model = QueryModel.load(str(encoder or DEFAULT_MODEL), device)
    encoded: list[EncodedQuery] = []
    for start in range(0, len(texts), batch_size):
        encoded += model.encode(texts[start : start + batch_size])
    with atomic_path(folder / EMBEDDINGS) as path:
        pandas.DataFrame({"id": qids, "text": texts, "embedding": [query.cls for query in encoded]}).to_pickle(path)
    count = 0
    with atomic_open(folder / IMPACTS) as stream:
        for qid, text, query in zip(qids, texts, encoded, strict=True):
            line = {"id": qid, "contents": text, "vector": impacts(query, model.model.terms)}
            count += len(line["vector"])
            stream.write(json.dumps(line, ensure_ascii=False) + "\n")
    return EncodedTopics(folder, len(pairs), count / len(pairs))
