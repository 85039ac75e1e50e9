"""Building the indexes of a collection from its forward store, or from several as one."""

from __future__ import annotations

import hashlib
import os
import shlex
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pyserini_dupmae import jvm
from pyserini_dupmae.index.faiss import import_faiss, write_faiss
from pyserini_dupmae.index.info import INFO_JSON, IndexInfo
from pyserini_dupmae.index.jsonl import write_jsonl
from pyserini_dupmae.index.lucene import write_lucene
from pyserini_dupmae.index.quantisation import Quantisation
from pyserini_dupmae.store import ForwardStore
from pyserini_dupmae.util.errors import UserError
from pyserini_dupmae.util.files import atomic_path
from pyserini_dupmae.util.log import logger


def build(
    stores: Sequence[Path],
    output: Path,
    *,
    faiss: bool,
    lucene: bool,
    jsonl: bool,
    faiss_factory: str = "Flat",
    top_k: int | None = None,
    bits: int = 8,
    overwrite: bool = False,
) -> None:
    """Write the wanted of ``output/faiss``, ``output/lucene`` and ``output/jsonl``; each is complete or absent.

    Args:
        stores: the ``store`` folders, in the order in which their documents are numbered.
        output: the folder that the index folders are made in.
        faiss, lucene, jsonl: which to write.
        faiss_factory: FAISS's name of the dense index.
        top_k: weights of a document that are indexed; default: all that the store keeps.
        bits: of a quantised weight.
        overwrite: replace an index that exists.

    Raises:
        UserError: the stores do not belong together or share a docid, an index exists, a setting is out of range, or
            FAISS, Pyserini or Java is missing. Nothing has been written then.
    """
    store = ForwardStore(*stores)
    quantisation = Quantisation.of(store.max_weight, bits)
    top_k = store.top_k if top_k is None else top_k
    if not 1 <= top_k <= store.top_k:
        raise UserError(
            f"--top-k is {top_k}, but the store keeps {store.top_k} weights a document; give 1 to {store.top_k}"
        )
    wanted = [kind for kind, want in (("faiss", faiss), ("lucene", lucene), ("jsonl", jsonl)) if want]
    for kind in wanted:
        _admit(output / kind, overwrite)
    if faiss:
        import_faiss()
    if lucene:
        jvm.start()
    collection = _collection_hash(store)

    def finish(folder: Path, kind: str, **settings: Any) -> None:
        places = [os.path.relpath(Path(place).resolve(), (output / kind).resolve()) for place in stores]
        IndexInfo(kind, store.model, len(store), collection, places, **settings).write(folder)

    quantised = {"top_k": top_k, "bits": bits, "scale": quantisation.scale}
    writers: dict[str, Callable[[Path], dict[str, Any]]] = {
        "faiss": lambda folder: {"factory": faiss_factory, "flat": write_faiss(folder, store, faiss_factory)},
        "lucene": lambda folder: write_lucene(folder, store, top_k, quantisation) or quantised,
        "jsonl": lambda folder: write_jsonl(folder, store, top_k, quantisation) or quantised,
    }
    for kind in wanted:
        started = time.perf_counter()
        with atomic_path(output / kind) as folder:
            folder.mkdir()
            finish(folder, kind, **writers[kind](folder))
        seconds = time.perf_counter() - started
        rate = len(store) / seconds
        logger.info("%s: %d documents in %.2f s (%.0f a second)", output / kind, len(store), seconds, rate)


def _admit(folder: Path, overwrite: bool) -> None:
    """Raise `UserError` if there is something at ``folder`` that may not be replaced; only an index of ours may."""
    if not folder.exists():
        return
    if not (folder / INFO_JSON).exists():
        raise UserError(f"{folder} exists and is no index of ours; give another output folder")
    if not overwrite:
        raise UserError(f"{folder} exists; replace it with --overwrite, or give another output folder")


def _collection_hash(store: ForwardStore) -> str:
    """sha256 over the docids, one a line; a docid that two of several stores hold is a `UserError`."""
    digest = hashlib.sha256()
    several = len(store.folders) > 1
    owner: dict[str, Path] = {}
    for shard in store.shards:
        docids = shard.docids()
        digest.update("".join(f"{docid}\n" for docid in docids).encode())
        for docid in docids if several else ():
            if (first := owner.setdefault(docid, shard.path)) is not shard.path:
                raise UserError(
                    f"the docid {docid!r} is both in {first.parent} and in {shard.path.parent}; give each document once"
                )
    return digest.hexdigest()


def search_command(output: Path, model_name: str) -> str:
    """The Pyserini command that searches ``output/faiss`` and ``output/lucene`` as one; TOPICS is left to fill in."""
    model = shlex.quote(str(model_name))
    dense, sparse = (shlex.quote(str(output / kind)) for kind in ("faiss", "lucene"))
    return (
        f"python -m pyserini.search.hybrid dense --index {dense} --encoder-class dupmae --encoder {model} "
        f"sparse --index {sparse} --impact --encoder {model} --min-idf -1 "
        "fusion --alpha 1 --hits 1000 run --topics TOPICS --output run.txt --hits 1000"
    )
