"""Writing a store as text for other tools: Anserini's JsonVectorCollection and Pyserini's dense jsonl."""

from __future__ import annotations

import json
from pathlib import Path

from pyserini_dupmae.index.quantisation import Quantisation
from pyserini_dupmae.store import ForwardStore


def write_jsonl(folder: Path, store: ForwardStore, top_k: int, quantisation: Quantisation) -> None:
    """Write ``sparse/*.jsonl`` and ``dense/*.jsonl`` into the existing folder ``folder``, a file a shard.

    Every line has ``id``, ``contents`` (empty when the store keeps none) and ``vector``: for sparse {term: quantised
    weight} of the first ``top_k`` positive weights, for dense the list of d' numbers.
    """
    for name in ("sparse", "dense"):
        (folder / name).mkdir()
    for number, shard in enumerate(store.shards_shown("jsonl")):
        docids = shard.docids()
        contents = shard.contents() if shard.has_contents else [""] * len(docids)
        levels = quantisation.quantise(shard.weights[:, :top_k])
        with (
            open(folder / "sparse" / f"{number:06d}.jsonl", "w", encoding="utf-8") as sparse,
            open(folder / "dense" / f"{number:06d}.jsonl", "w", encoding="utf-8") as dense,
        ):
            for row, (docid, text) in enumerate(zip(docids, contents, strict=True)):
                known = zip(shard.token_ids[row, :top_k].tolist(), levels[row].tolist(), strict=True)
                vector = {store.terms[token_id]: level for token_id, level in known if level}
                document = {"id": docid, "contents": text}
                print(json.dumps({**document, "vector": vector}, ensure_ascii=False), file=sparse)
                print(json.dumps({**document, "vector": shard.cls[row].tolist()}, ensure_ascii=False), file=dense)
