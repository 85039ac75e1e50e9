"""Encoding a corpus into a forward store, shard by shard; what is finished already is checked and kept."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from queue import Full, Queue
from typing import TYPE_CHECKING, Protocol, TypeVar

import numpy as np

from pyserini_dupmae.data.corpus import Document
from pyserini_dupmae.encode.output import SETTINGS_JSON, EncodingSettings
from pyserini_dupmae.encode.windows import Window, encode_window, tokenise, windows
from pyserini_dupmae.modeling.model import DupMAEModel
from pyserini_dupmae.store import STORE_JSON, Shard, StoreInfo, write_shard
from pyserini_dupmae.store.checks import unlikely
from pyserini_dupmae.util.digests import combined, digest
from pyserini_dupmae.util.errors import UserError
from pyserini_dupmae.util.files import write_json

if TYPE_CHECKING:
    from pyserini_dupmae.encode.idf import Idf

Item = TypeVar("Item")
_POLL_SECONDS = 0.1


@dataclass(frozen=True)
class WrittenShard:
    """A finished shard: its ``number`` and ``documents``, and whether they were ``encoded`` now.

    ``max_weight`` is the largest of its weights, ``terms`` how many of them are positive, ``checksum`` the file's.
    """

    number: int
    documents: int
    encoded: bool
    max_weight: float
    terms: int
    checksum: str


class Watch(Protocol):
    """Who is told how an encoding goes on."""

    def begin(self, shard: Path) -> None:
        """The encoding of ``shard`` begins."""

    def advance(self, work: float) -> None:
        """So much more is done; a shard's work adds up to the number of its documents, which share it by their tokens.

        Documents come longest first: counted one by one they would tell nothing about how long the rest takes.
        """

    def skip(self, documents: int) -> None:
        """So many were there already."""


@dataclass(frozen=True)
class EncodedStore:
    """A finished store: how many documents were ``encoded`` now, and the mean number of ``terms`` of all."""

    encoded: int
    terms: float


def begin_store(folder: Path, settings: EncodingSettings, terms: list[str]) -> None:
    """Make the folder of a store, with what an interrupted encoding goes on with."""
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / SETTINGS_JSON, settings.values())
    write_json(folder / StoreInfo.terms_file, terms)


def finish_store(
    folder: Path, settings: EncodingSettings, written: Iterable[WrittenShard], idf: Idf | None = None
) -> EncodedStore:
    """Write ``store.json`` of shards that are all there, in any order, once their weights have the ``idf`` asked for.

    Raises:
        UserError: there are more shards than the corpus has documents for, or one of a finished store has changed.
    """
    shards = sorted(written, key=lambda shard: shard.number)
    names = [shard_path(folder, shard.number).name for shard in shards]
    left = sorted({path.name for path in folder.glob("shard-*.safetensors")} - set(names))
    if left:
        raise UserError(f"the corpus has fewer documents than when {folder / left[0]} was written; use --overwrite")
    documents = sum(shard.documents for shard in shards)
    shards, factors = (shards, None) if idf is None else idf.weigh(folder, shards)
    checksums = {name: shard.checksum for name, shard in zip(names, shards, strict=True)}
    if (folder / STORE_JSON).exists():
        _require_same_bytes(folder, checksums)
    else:
        StoreInfo(
            settings.model,
            documents,
            settings.top_k,
            max(shard.max_weight for shard in shards),
            names,
            dtype=settings.dtype,
            part=(settings.shard_id, settings.shard_num) if settings.shard_num > 1 else None,
            checksums=checksums,
            idf=factors,
        ).write(folder)
    encoded = sum(shard.documents for shard in shards if shard.encoded)
    return EncodedStore(encoded, sum(shard.terms for shard in shards) / documents)


def _require_same_bytes(folder: Path, checksums: Mapping[str, str]) -> None:
    """Raise `UserError` if a shard of a finished store is not what was written."""
    for name, written in (StoreInfo.read(folder).checksums or {}).items():
        if checksums.get(name) != written:
            raise UserError(f"{folder / name} has changed since it was encoded; begin again with --overwrite")


def shard_path(folder: Path, number: int) -> Path:
    """Where shard ``number`` of a store lies."""
    return folder / f"shard-{number:06d}.safetensors"


def encode_shards(
    documents: Iterable[Document],
    model: DupMAEModel,
    settings: EncodingSettings,
    folder: Path,
    watch: Watch,
    first: int = 0,
    step: int = 1,
) -> Iterator[WrittenShard]:
    """Write the shards ``first``, ``first + step``, ... of ``documents``, and yield each that is done.

    Shards that are there are checked and kept. Memory: a few shards, however many documents there are. Equal documents
    and settings give equal bytes, interrupted or not.

    Raises:
        UserError: a document is bad, the corpus is not that of the shards that are there, or the model gave NaN.
    """
    for number, window in prefetch(_windows_to_do(documents, folder, model, settings, first, step)):
        path = shard_path(folder, number)
        if window is None:
            shard = Shard(path)
            watch.skip(len(shard))
            weights, checksum = shard.weights, combined(digest(path))
            if wrong := unlikely(model.config.mu_size, shard.cls, shard.token_ids, weights):
                raise shard.damaged(wrong)
        else:
            watch.begin(path)
            found = encode_window(model, window, settings.top_k, settings.batch_size, watch.advance)
            contents = window.texts if settings.store_contents else None
            arrays = (found.cls, found.token_ids, found.weights)
            hashes = window.text_hashes()
            words = window.frequencies(model)
            checksum = write_shard(path, window.docids, *arrays, model.config.mu_size, contents, hashes, words)
            weights = found.weights
        largest, terms = float(weights[:, 0].max()), int(np.count_nonzero(weights > 0))
        yield WrittenShard(number, len(weights), window is not None, largest, terms, checksum)


def _windows_to_do(
    documents: Iterable[Document], folder: Path, model: DupMAEModel, settings: EncodingSettings, first: int, step: int
) -> Iterator[tuple[int, Window | None]]:
    """The number of each shard that is asked for, with its window unless the shard is finished."""
    for number, part in enumerate(windows(documents, settings.shard_size)):
        if number % step != first:
            continue
        path = shard_path(folder, number)
        if path.exists():
            _require_unchanged(path, part)
            yield number, None
        else:
            yield number, tokenise(part, model.tokenizer, settings.max_length)


def _require_unchanged(path: Path, documents: list[Document]) -> None:
    """Raise `UserError` unless the shard at ``path`` was made of ``documents``."""
    shard = Shard(path)
    changed = f"the corpus has changed since {path} was encoded"
    advice = "bring back the corpus as it was, or begin again with --overwrite"
    for document, docid, text_hash in zip(documents, shard.docids(), shard.text_hashes.tolist(), strict=False):
        if document.docid != docid:
            raise UserError(f"{changed}: {document.place} is the document {document.docid!r}, not {docid!r}; {advice}")
        if document.text_hash() != text_hash:
            raise UserError(f"{changed}: the text of {docid!r} ({document.place}) is another; {advice}")
    if len(documents) != len(shard):
        raise UserError(f"{changed}: {len(documents)} documents are in the place of {len(shard)}; {advice}")


def prefetch(items: Iterable[Item], depth: int = 1) -> Iterator[Item]:
    """Yield ``items``, made in a thread that stays at most ``depth`` finished ones ahead.

    What the making raises is raised here, in its place. The thread ends when the iterator is closed.
    """
    queue: Queue[tuple[list[Item], BaseException | None]] = Queue(depth)  # an item, an error, or neither at the end
    stopped = threading.Event()

    def put(item: list[Item], error: BaseException | None = None) -> None:
        while not stopped.is_set():
            try:
                return queue.put((item, error), timeout=_POLL_SECONDS)
            except Full:
                continue

    def work() -> None:
        try:
            for item in items:
                put([item])
                if stopped.is_set():
                    return
            put([])
        except BaseException as error:
            put([], error)

    thread = threading.Thread(target=work, name="prefetch", daemon=True)
    thread.start()
    try:
        while True:
            item, error = queue.get()
            if error is not None:
                raise error
            if not item:
                return
            yield item[0]
    finally:
        stopped.set()
        thread.join()
