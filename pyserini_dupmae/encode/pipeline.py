"""Encoding a corpus into a forward store, shard by shard; what is finished already is checked and kept."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from queue import Full, Queue
from typing import TypeVar

import numpy as np
from tqdm import tqdm

from pyserini_dupmae.data.corpus import Document
from pyserini_dupmae.encode.output import SETTINGS_JSON, EncodingSettings
from pyserini_dupmae.encode.windows import Window, encode_window, tokenise, windows
from pyserini_dupmae.modeling.model import DupMAEModel
from pyserini_dupmae.store import Shard, StoreInfo, write_shard
from pyserini_dupmae.util.errors import UserError
from pyserini_dupmae.util.files import write_json

Item = TypeVar("Item")
_POLL_SECONDS = 0.1


@dataclass(frozen=True)
class EncodedStore:
    """What `encode_store` did: how many documents it ``encoded``, and the mean number of ``terms`` of all."""

    encoded: int
    terms: float


def encode_store(
    documents: Iterable[Document], total: int, model: DupMAEModel, settings: EncodingSettings, folder: Path
) -> EncodedStore:
    """Write the store of ``documents``, ``total`` many, to ``folder``, or finish the one that is begun there.

    Memory: a few shards, however many documents there are. Equal documents and settings give equal bytes, interrupted
    or not.

    Raises:
        UserError: a document is bad, the corpus is not that of the shards that are there, or the model gave NaN.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / SETTINGS_JSON, asdict(settings))
    info = StoreInfo(settings.model, total, settings.top_k, 0.0, [])
    write_json(folder / info.terms_file, model.terms)
    names: list[str] = []
    max_weight, encoded, terms = 0.0, 0, 0
    with tqdm(total=total, desc="encoding", unit=" documents", mininterval=1) as progress:
        for path, window in prefetch(_windows_to_do(documents, folder, model, settings)):
            if window is None:
                shard = Shard(path)
                progress.initial += len(shard)  # not counted in the documents/s
                progress.update(len(shard))
                weights = shard.weights
            else:
                found = encode_window(model, window, settings.top_k, settings.batch_size, progress.update)
                contents = window.texts if settings.store_contents else None
                arrays = (found.cls, found.token_ids, found.weights)
                write_shard(path, window.docids, *arrays, model.config.vocab_size, contents, window.text_hashes())
                weights = found.weights
                encoded += len(window.documents)
            max_weight = max(max_weight, float(weights[:, 0].max()))
            terms += int(np.count_nonzero(weights > 0))
            names.append(path.name)
    left = sorted({path.name for path in folder.glob("shard-*.safetensors")} - set(names))
    if left:
        raise UserError(f"the corpus has fewer documents than when {folder / left[0]} was written; use --overwrite")
    StoreInfo(settings.model, total, settings.top_k, max_weight, names).write(folder)
    return EncodedStore(encoded, terms / total)


def _windows_to_do(
    documents: Iterable[Document], folder: Path, model: DupMAEModel, settings: EncodingSettings
) -> Iterator[tuple[Path, Window | None]]:
    """The path of each shard, with its window unless the shard is finished."""
    for number, part in enumerate(windows(documents, settings.shard_size)):
        path = folder / f"shard-{number:06d}.safetensors"
        if path.exists():
            _require_unchanged(path, part)
            yield path, None
        else:
            yield path, tokenise(part, model.tokenizer, settings.max_length)


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
