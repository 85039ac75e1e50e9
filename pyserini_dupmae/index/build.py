"""Building the indexes of a collection from its forward store, or from several as one."""

from __future__ import annotations

import hashlib
import os
import shlex
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pyserini_dupmae import jvm
from pyserini_dupmae.index.faiss import import_faiss, write_faiss
from pyserini_dupmae.index.info import DEFAULT_KINDS, INFO_JSON, KINDS, IndexInfo
from pyserini_dupmae.index.jsonl import write_jsonl
from pyserini_dupmae.index.lucene import write_lucene
from pyserini_dupmae.index.milvus import load
from pyserini_dupmae.index.milvus_client import DEFAULT_COLLECTION
from pyserini_dupmae.index.postings import write_postings
from pyserini_dupmae.index.quantisation import Quantisation
from pyserini_dupmae.store import ForwardStore
from pyserini_dupmae.util.command import MILVUS
from pyserini_dupmae.util.digests import digest
from pyserini_dupmae.util.errors import UserError
from pyserini_dupmae.util.files import atomic_path, require_folder
from pyserini_dupmae.util.lock import alone
from pyserini_dupmae.util.log import logger


@dataclass(frozen=True)
class IndexResult:
    """What `index` built: the ``seconds`` of each kind, for ``documents`` documents, below ``folder``.

    ``next_command`` searches the collection: in Milvus, where it was loaded, else with Pyserini when both of its
    indexes are there.
    """

    folder: Path
    documents: int
    seconds: dict[str, float]
    next_command: str | None

    def __str__(self) -> str:
        built = ", ".join(f"{kind} in {seconds:.1f} s" for kind, seconds in self.seconds.items())
        return f"{self.documents} documents in {self.folder}: {built}"


def index(
    folders: str | os.PathLike | Sequence[str | os.PathLike],
    *,
    to: str | Sequence[str] = DEFAULT_KINDS,
    output: str | os.PathLike | None = None,
    faiss_factory: str = "Flat",
    top_k: int | None = None,
    bits: int = 8,
    overwrite: bool = False,
    uri: str | None = None,
    collection: str = DEFAULT_COLLECTION,
    milvus_index: str = "FLAT",
) -> IndexResult:
    """Build indexes of an encoded collection; each is complete or absent.

    For example, with sparse weights of 6 bits instead of 8::

        import pyserini_dupmae.api as dupmae

        dupmae.encode("corpus.jsonl", output="OUT", to=[])
        print(dupmae.index("OUT", to=["faiss", "lucene"], bits=6))

    Args:
        folders: the ``output`` of an encoding, which holds a ``store``, or several that become one collection, numbered
            in the order given.
        to: which indexes to write, each to a folder of its name: ``"faiss"``, ``"lucene"``, ``"postings"`` for the
            engine ``scan``, and ``"jsonl"`` for other tools; ``"milvus"`` loads the collection into a Milvus. Loading
            goes on where it was interrupted.
        output: where the folders of the indexes are made (default: the one that is given as ``folders``).
        faiss_factory: FAISS's name of the dense index; only ``"Flat"`` gives exact search.
        top_k: how many weights of a document the sparse index holds (default: all that the store keeps).
        bits: of a weight in the sparse index, 1 to 16.
        overwrite: replace indexes that exist.
        uri, collection: of ``"milvus"``: a file of Milvus Lite (``milvus.db``) or a server (``http://host:19530``), and
            the collection's name there. Credentials come from the environment, see docs/milvus.md.
        milvus_index: of ``"milvus"``: its index of the dense vectors; only ``"FLAT"`` gives exact search.

    Raises:
        UserError: the stores do not belong together, share a docid or are damaged, an index exists, a setting is out of
            range, or FAISS, Pyserini or Java is missing. Nothing has been written then.
    """
    places = [Path(folder) for folder in ([folders] if isinstance(folders, str | os.PathLike) else folders)]
    if not places:
        raise UserError("no folder of an encoded collection is given")
    asked = [to] if isinstance(to, str) else list(to)
    kinds = known_kinds(kind for kind in asked if kind != MILVUS)
    if (MILVUS in asked) != (uri is not None):
        raise UserError("--to-milvus and --uri belong together; give both or neither")
    if output is None and len(places) > 1 and kinds:
        raise UserError("several folders are given with --index; say with --output where the indexes of all of them go")
    target = places[0] if output is None else require_folder(output)
    store = ForwardStore(*(place / "store" for place in places))
    top_k = store.top_k if top_k is None else top_k
    if not 1 <= top_k <= store.top_k:
        raise UserError(
            f"--top-k is {top_k}, but the store keeps {store.top_k} weights a document; give 1 to {store.top_k}"
        )
    settings = _Settings(faiss_factory, top_k, Quantisation.of(store.max_weight, bits))
    with alone(target) if kinds else nullcontext():
        seconds = _build(target, kinds, store, settings, overwrite)
    if uri is not None:
        started = time.perf_counter()
        load(store, uri, name=collection, top_k=top_k, dense_index=milvus_index, overwrite=overwrite)
        seconds[MILVUS] = time.perf_counter() - started
    searchable = all((target / kind).exists() for kind in DEFAULT_KINDS)
    command = search_command(target, store.model.name) if searchable else None
    if uri is not None:
        named = "" if collection == DEFAULT_COLLECTION else f" --collection {shlex.quote(collection)}"
        where = f"--engine {MILVUS} --uri {shlex.quote(uri)}{named} --encoder {shlex.quote(str(store.model.name))}"
        command = f"python -m pyserini_dupmae.search {where} --topics TOPICS --output run.txt"
    return IndexResult(target, len(store), seconds, command)


def _build(
    target: Path, kinds: Sequence[str], store: ForwardStore, settings: _Settings, overwrite: bool
) -> dict[str, float]:
    """Write the indexes; the seconds of each."""
    for kind in kinds:
        _admit(target / kind, overwrite)
    require_tools(kinds)
    store.verify()
    docids = _collection_hash(store)
    seconds = {}
    for kind in kinds:
        started = time.perf_counter()
        with atomic_path(target / kind) as folder:
            folder.mkdir()
            facts = WRITERS[kind](folder, store, settings)
            stores = [os.path.relpath(place.resolve(), (target / kind).resolve()) for place in store.folders]
            facts |= {"contents": store.digest(), "files": digest(folder)}
            IndexInfo(kind, store.model, len(store), docids, stores, **facts).write(folder)
        seconds[kind] = time.perf_counter() - started
        rate = len(store) / seconds[kind]
        logger.info("%s: %d documents in %.2f s (%.0f a second)", target / kind, len(store), seconds[kind], rate)
    return seconds


@dataclass(frozen=True)
class _Settings:
    faiss_factory: str
    top_k: int
    quantisation: Quantisation

    def facts(self) -> dict[str, Any]:
        """What ``dupmae.json`` says of the weights of a sparse index."""
        return {"top_k": self.top_k, **asdict(self.quantisation)}


def _write_faiss(folder: Path, store: ForwardStore, settings: _Settings) -> dict[str, Any]:
    flat = write_faiss(folder, store, settings.faiss_factory)
    # Of a flat index a search takes it to bound what rounding adds; any other gives no bound.
    return {"factory": settings.faiss_factory, "flat": flat, "largest_norm": store.largest_norm() if flat else None}


def _write_lucene(folder: Path, store: ForwardStore, settings: _Settings) -> dict[str, Any]:
    write_lucene(folder, store, settings.top_k, settings.quantisation)
    return settings.facts()


def _write_postings(folder: Path, store: ForwardStore, settings: _Settings) -> dict[str, Any]:
    return {"top_k": settings.top_k, **write_postings(folder, store, settings.top_k)._asdict()}


def _write_jsonl(folder: Path, store: ForwardStore, settings: _Settings) -> dict[str, Any]:
    write_jsonl(folder, store, settings.top_k, settings.quantisation)
    return settings.facts()


WRITERS: dict[str, Callable[[Path, ForwardStore, _Settings], dict[str, Any]]] = {
    "faiss": _write_faiss,
    "lucene": _write_lucene,
    "postings": _write_postings,
    "jsonl": _write_jsonl,
}
"""Kind of index, all of `KINDS` -> what writes one into an empty folder and says the facts for its ``dupmae.json``."""

TOOLS: dict[str, Callable[[], object]] = {"faiss": import_faiss, "lucene": jvm.start}
"""Kind of index -> what raises `UserError` where a library that it needs is missing."""


def known_kinds(to: str | Iterable[str]) -> list[str]:
    """The kinds of index in ``to``, each once, in the order of `KINDS`. Raises `UserError` for an unknown one."""
    asked = [to] if isinstance(to, str) else list(to)
    for kind in asked:
        if kind not in KINDS:
            raise UserError(f"there is no index of the kind {kind!r}; choose among {', '.join(KINDS)}")
    return [kind for kind in KINDS if kind in asked]


def require_tools(kinds: Iterable[str]) -> None:
    """Raise `UserError` if an index of one of these kinds cannot be built on this machine."""
    for kind in kinds:
        if kind in TOOLS:
            TOOLS[kind]()


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
