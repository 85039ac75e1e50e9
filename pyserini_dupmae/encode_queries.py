"""Encodes topics once, into the files that Pyserini's commands take in place of a model.

    python -m pyserini_dupmae.encode_queries --topics TOPICS --encoder MODEL --output DIR

    DIR/embedding.pkl    a pandas table of id, text, embedding: ``--encoded-queries DIR`` of pyserini.search.faiss and
                         of the dense side of pyserini.search.hybrid
    DIR/queries.jsonl    {"id", "contents", "vector": {term: weight}}: ``--encoder DIR/queries.jsonl`` of
                         pyserini.search.lucene --impact and of the sparse side of pyserini.search.hybrid

Fused from these files, Pyserini's scores come closest to Eq. 12 with ``--alpha`` = the ``scale`` in
OUT/lucene/dupmae.json / `QUERY_SCALE`.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from pyserini_dupmae.util import log
from pyserini_dupmae.util.command import positive_int, run_command
from pyserini_dupmae.util.errors import UserError
from pyserini_dupmae.util.files import atomic_open, atomic_path
from pyserini_dupmae.util.log import logger

EMBEDDINGS = "embedding.pkl"
IMPACTS = "queries.jsonl"


def encode_queries(topics: list[tuple[str, str]], encoder: str, output: Path, device: str, batch_size: int) -> None:
    """Write both files for the (query id, text) pairs ``topics``. Raises `UserError` when there is no such model."""
    import pandas

    from pyserini_dupmae.encoders import DupMAEImpactQueryEncoder, DupMAEQueryEncoder

    dense, impact = DupMAEQueryEncoder(encoder, device=device), DupMAEImpactQueryEncoder(encoder, device=device)
    embeddings, impacts = [], []
    for start in range(0, len(topics), batch_size):
        texts = [text for _, text in topics[start : start + batch_size]]
        embeddings.extend(dense.encode_batch(texts))
        impacts.extend(impact.encode(text) for text in texts)
    qids, texts = zip(*topics, strict=True)
    with atomic_path(output / EMBEDDINGS) as path:
        pandas.DataFrame({"id": qids, "text": texts, "embedding": embeddings}).to_pickle(path)
    with atomic_open(output / IMPACTS) as stream:
        for qid, text, vector in zip(qids, texts, impacts, strict=True):
            stream.write(json.dumps({"id": qid, "contents": text, "vector": vector}, ensure_ascii=False) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m pyserini_dupmae.encode_queries", description="Encode topics once, for Pyserini's commands."
    )
    parser.add_argument("--topics", required=True, help="a name that Pyserini or ir_datasets knows, or a file")
    parser.add_argument("--encoder", required=True, help="the DupMAE model: a folder or a name on the Hub")
    parser.add_argument("--output", required=True, type=Path, metavar="DIR", help="the folder to write to")
    parser.add_argument("--device", default="cpu", help="cpu, cuda:0... (default: cpu)")
    parser.add_argument("--batch-size", type=positive_int, default=64, help="queries encoded at a time (default: 64)")
    parser.add_argument("--overwrite", action="store_true", help="replace what an earlier run wrote")
    args = parser.parse_args()
    log.show()
    present = [str(args.output / name) for name in (EMBEDDINGS, IMPACTS) if (args.output / name).exists()]
    if present and not args.overwrite:
        raise UserError(f"{' and '.join(present)} exist already; give --overwrite to replace, or another --output")
    from pyserini_dupmae.data.topics import read_topics

    topics = read_topics(args.topics)
    encode_queries(topics, args.encoder, args.output, args.device, args.batch_size)
    logger.info(
        "%d queries in %s: --encoded-queries %s for the dense side, --encoder %s for the sparse side",
        *(len(topics), args.output, args.output, args.output / IMPACTS),
    )


if __name__ == "__main__":
    run_command(main)
