"""A store in Milvus: the fields of its collection, what the collection says of itself, and loading it.

A document is a row of the store. Its fields:

- ``row`` INT64, the primary key: which row, so that to write it again writes it once;
- ``docid`` VARCHAR;
- ``cls`` FLOAT_VECTOR, inner product, FLAT unless an approximate index is asked for;
- ``mu`` SPARSE_FLOAT_VECTOR, inner product, SPARSE_INVERTED_INDEX, nothing dropped; the dimension is the vocabulary id.
  A document without a weight has the dimension |V|, which no query has, because Milvus takes no empty vector;
- ``places`` VARCHAR: where each weight, by rising id, stands among the store's, which are ordered by size; empty where
  that follows from sizes and ids. Sums are taken in this order, so that scores are those of the store to the last bit;
- ``contents`` VARCHAR, where the store has them; cut to Milvus's 65,535 bytes.

The property `PROPERTY` of the collection is JSON: `MilvusInfo`. It says that the collection is complete only after all
of it has been read again and compared with the store.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from pyserini_dupmae.index.info import DENSE_INDEXES
from pyserini_dupmae.index.milvus_client import DEFAULT_COLLECTION, Milvus, answer_seconds
from pyserini_dupmae.modeling.identity import ModelIdentity
from pyserini_dupmae.store import ForwardStore
from pyserini_dupmae.util.errors import UserError
from pyserini_dupmae.util.log import logger
from pyserini_dupmae.util.progress import Progress

PROPERTY = "pyserini_dupmae"
FORMAT = 1
BATCH = 500
"""Documents that are sent in a call: with texts of 64 kB it stays below the 64 MB of a message."""
ANSWER_BYTES = 1 << 23
"""Of an answer, when all is read back. Milvus Lite goes through a collection for each, so a few large ones are faster;
but the one of 2.5, which has the core of a server, takes minutes for 32 MB where it takes half a second for 8."""
SAMPLE = 64
"""Documents that are compared when a collection is opened."""
TEXT_BYTES = 65_535
LONG_CALLS = 10
"""Building indexes takes so many times as long as another answer may take."""


@dataclass(frozen=True)
class MilvusInfo:
    """What a collection says of itself.

    Attributes:
        model: the model that encoded the documents.
        documents, collection: how many there are, and what tells them from others: `ForwardStore.digest`.
        top_k: how many weights of a document are there at most.
        dtype, idf: what the documents were encoded in, and the factors in their weights, as `StoreInfo` tells them.
        largest_norm: the largest Euclidean norm of a dense vector.
        dense_index: Milvus's index of the dense vectors.
        has_contents: whether there are texts.
        sample: the digest of `sampled` documents.
        is_complete: whether all of it is there and has been compared with the store.
    """

    model: ModelIdentity
    documents: int
    collection: str
    top_k: int
    dtype: str
    idf: str | None
    largest_norm: float
    dense_index: str
    has_contents: bool
    sample: str
    is_complete: bool = False

    def property(self) -> dict[str, str]:
        return {PROPERTY: json.dumps({"format": FORMAT, **asdict(self)}, sort_keys=True)}

    @classmethod
    def read(cls, milvus: Milvus, name: str) -> MilvusInfo | None:
        """That of the collection ``name``, None where there is no such collection.

        Raises:
            UserError: the collection is none of ours.
        """
        if not milvus.ask("has_collection", name):
            return None
        properties: Mapping[str, str] = milvus.ask("describe_collection", name).get("properties") or {}
        try:
            value: dict[str, Any] = json.loads(properties[PROPERTY])
            if value.pop("format") != FORMAT:
                raise UserError(f"the collection {name} in {milvus.uri} is of another format version; load it again")
            return cls(**{**value, "model": ModelIdentity(**value["model"])})
        except (KeyError, TypeError, ValueError):
            raise UserError(
                f"the collection {name} in {milvus.uri} was not made by pyserini_dupmae; name another with --collection"
            ) from None


@dataclass(frozen=True)
class Loaded:
    """A document as Milvus holds it: ``cls`` (d',), ``token_ids`` and ``weights`` (m,), in the order of the store."""

    docid: str
    cls: np.ndarray
    token_ids: np.ndarray
    weights: np.ndarray
    contents: str | None = None

    def digest(self) -> bytes:
        parts = (self.docid, self.contents)
        found = hashlib.sha256(json.dumps(parts).encode())
        for array, kind in ((self.cls, "<f4"), (self.token_ids, "<i4"), (self.weights, "<f4")):
            found.update(array.astype(kind).tobytes())
        return found.digest()


def to_fields(row: int, document: Loaded, vocab_size: int) -> dict[str, Any]:
    """A document as the fields of its collection."""
    by_id = np.argsort(document.token_ids)
    ids, weights = document.token_ids[by_id], document.weights[by_id]
    order = np.argsort(by_id)
    is_usual = np.array_equal(order, _by_size(weights))
    places = "" if is_usual else base64.b64encode(order.astype("<u2").tobytes()).decode()
    mu = dict(zip(ids.tolist(), weights.tolist(), strict=True)) or {vocab_size: 1.0}
    fields = {"row": row, "docid": document.docid, "cls": document.cls, "mu": mu, "places": places}
    return fields if document.contents is None else {**fields, "contents": document.contents}


def from_fields(fields: Mapping[str, Any], vocab_size: int) -> Loaded:
    """What `to_fields` was made from."""
    mu = {int(token): weight for token, weight in fields["mu"].items() if int(token) < vocab_size}
    ids = np.array(sorted(mu), np.int32)
    weights = np.array([mu[token] for token in ids.tolist()], np.float32)
    places = fields["places"]
    order = np.frombuffer(base64.b64decode(places), "<u2") if places else _by_size(weights)
    cls = np.array(fields["cls"], np.float32)
    return Loaded(fields["docid"], cls, ids[order], weights[order], fields.get("contents"))


def _by_size(weights: np.ndarray) -> np.ndarray:
    """The order of weights by size, the largest first, of equal ones the first."""
    return np.argsort(-weights, kind="stable")


def read_rows(milvus: Milvus, name: str, info: MilvusInfo, condition: str, contents: bool) -> dict[int, Loaded]:
    """The documents that meet ``condition``, an expression over ``row``; by row."""
    fields = ["row", "docid", "cls", "mu", "places", *(["contents"] if contents and info.has_contents else [])]
    found = milvus.ask("query", name, filter=condition, output_fields=fields, consistency_level="Strong")
    return {int(one["row"]): from_fields(one, info.model.vocab_size) for one in found}


def count(milvus: Milvus, name: str) -> int:
    """How many documents there are."""
    (found,) = milvus.ask("query", name, filter="", output_fields=["count(*)"], consistency_level="Strong")
    return int(found["count(*)"])


def sampled(documents: int) -> list[int]:
    """The rows that are compared when a collection is opened."""
    return np.unique(np.linspace(0, documents - 1, SAMPLE, dtype=int)).tolist()


def digest_of(documents: Iterable[Loaded]) -> str:
    """One hash for some documents, in their order."""
    found = hashlib.sha256()
    for document in documents:
        found.update(document.digest())
    return found.hexdigest()


def load(
    store: ForwardStore,
    uri: str,
    *,
    name: str = DEFAULT_COLLECTION,
    top_k: int | None = None,
    dense_index: str = "FLAT",
    overwrite: bool = False,
) -> None:
    """Load a store into the collection ``name`` of a Milvus; interrupted, the same call goes on.

    Documents go over in the order of their rows, and a row that is written twice is there once: so what is there is the
    beginning, up to a batch, and the work goes on before its end.

    Args:
        uri: a file of Milvus Lite or a server, see `Milvus`.
        top_k: how many weights of a document (default: all that the store keeps).
        dense_index: one of `DENSE_INDEXES`.
        overwrite: drop a collection of ours that is there.

    Raises:
        UserError: there is another collection of that name, one that is complete, or one that was begun with another
            store or other settings; Milvus does not answer; or what it holds in the end is not what was sent.
    """
    top_k = store.top_k if top_k is None else top_k
    if dense_index not in DENSE_INDEXES:
        raise UserError(f"unknown dense index {dense_index!r}; choose one of {', '.join(DENSE_INDEXES)}")
    documents = len(store)
    info = MilvusInfo(
        model=store.model,
        documents=documents,
        collection=store.digest(),
        top_k=top_k,
        dtype=store.dtype,
        idf=store.idf,
        largest_norm=store.largest_norm(),
        dense_index=dense_index,
        has_contents=store.content(0) is not None,
        sample=digest_of(_of_store(store, sampled(documents), top_k)),
    )
    milvus = Milvus(uri)
    try:
        _Loader(milvus, name, store, info).load(overwrite)
    finally:
        milvus.close()


@dataclass(frozen=True)
class _Loader:
    milvus: Milvus
    name: str
    store: ForwardStore
    info: MilvusInfo

    @property
    def place(self) -> str:
        return f"the collection {self.name} in {self.milvus.uri}"

    def load(self, overwrite: bool) -> None:
        begun = MilvusInfo.read(self.milvus, self.name)
        if begun is not None and overwrite:
            self.milvus.ask("drop_collection", self.name)
            begun = None
        if begun is None:
            self._create()
        else:
            self._require_same(begun)
        self.milvus.ask("load_collection", self.name, seconds=LONG_CALLS * answer_seconds())
        self._send(0 if begun is None else self._there())
        self.milvus.ask("flush", self.name, seconds=LONG_CALLS * answer_seconds())
        self._compare()
        complete = replace(self.info, is_complete=True).property()
        self.milvus.ask("alter_collection_properties", self.name, complete)

    def _create(self) -> None:
        from pymilvus import DataType, MilvusClient

        schema = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=False)
        schema.add_field("row", DataType.INT64, is_primary=True)
        schema.add_field("docid", DataType.VARCHAR, max_length=TEXT_BYTES)
        schema.add_field("cls", DataType.FLOAT_VECTOR, dim=self.info.model.cls_dim)
        schema.add_field("mu", DataType.SPARSE_FLOAT_VECTOR)
        schema.add_field("places", DataType.VARCHAR, max_length=TEXT_BYTES)
        if self.info.has_contents:
            schema.add_field("contents", DataType.VARCHAR, max_length=TEXT_BYTES)
        indexes = MilvusClient.prepare_index_params()
        kind = self.info.dense_index
        indexes.add_index("cls", index_type=kind, metric_type="IP", params=DENSE_INDEXES[kind])
        dropped = {"drop_ratio_build": 0.0}
        indexes.add_index("mu", index_type="SPARSE_INVERTED_INDEX", metric_type="IP", params=dropped)
        made = {"schema": schema, "index_params": indexes, "properties": self.info.property()}
        self.milvus.ask("create_collection", self.name, consistency_level="Strong", **made)

    def _require_same(self, begun: MilvusInfo) -> None:
        """Raise `UserError` unless what is there is the beginning of this."""
        mend = "give --overwrite to load it anew, or name another with --collection"
        begun.model.require(self.info.model, str(self.store.folders[0]))
        for field in asdict(self.info):
            one, other = getattr(begun, field), getattr(self.info, field)
            if field not in ("model", "is_complete") and one != other:
                raise UserError(f"{self.place} was loaded with {field} {one!r}, not {other!r}; {mend}")
        if begun.is_complete:
            raise UserError(f"{self.place} is complete; {mend}")

    def _there(self) -> int:
        """How many documents need not be sent again."""
        whole = count(self.milvus, self.name) // BATCH - 1
        start = min(max(0, whole * BATCH), self.info.documents)
        logger.info("going on with %s: %d of %d documents are there", self.place, start, self.info.documents)
        return start

    def _send(self, start: int) -> None:
        for rows, documents in self._batches(start, BATCH, "to Milvus"):
            vocab_size = self.info.model.vocab_size
            fields = [to_fields(row, one, vocab_size) for row, one in zip(rows, documents, strict=True)]
            self.milvus.ask("upsert", self.name, fields)

    def _compare(self) -> None:
        """Raise `UserError` unless the collection holds the store's documents, each once."""
        mend = "load it again with --overwrite"
        there = count(self.milvus, self.name)
        if there != self.info.documents:
            raise UserError(f"{self.place} holds {there} documents, but the store {self.info.documents}; {mend}")
        for rows, documents in self._batches(0, self._answer_rows(), "comparing"):
            condition = f"row >= {rows.start} and row < {rows.stop}"
            found = read_rows(self.milvus, self.name, self.info, condition, contents=True)
            for row, document in zip(rows, documents, strict=True):
                if row not in found or found[row].digest() != document.digest():
                    raise UserError(f"{document.docid!r} in {self.place} is not as it was sent; {mend}")

    def _answer_rows(self) -> int:
        """How many documents make an answer of `ANSWER_BYTES`, at least `BATCH`."""
        numbers = 4 * self.info.model.cls_dim + 8 * self.info.top_k
        return max(BATCH, ANSWER_BYTES // (numbers + TEXT_BYTES * self.info.has_contents))

    def _batches(self, start: int, size: int, label: str) -> Iterator[tuple[range, list[Loaded]]]:
        """The rows from ``start`` on, ``size`` at a time, with their documents; tells how far that is."""
        total = self.info.documents
        with Progress(label, total, "documents", done=start) as progress:
            for first in range(start, total, size):
                rows = range(first, min(first + size, total))
                yield rows, _of_store(self.store, rows, self.info.top_k)
                progress.update(len(rows))


def _of_store(store: ForwardStore, rows: Sequence[int], top_k: int) -> list[Loaded]:
    """Some documents of a store, as Milvus is to hold them."""
    cls, token_ids, weights = store.gather(rows, top_k)
    found = []
    for number, (row, docid) in enumerate(zip(rows, store.docids.take(rows), strict=True)):
        kept = weights[number] > 0
        ids, positive = token_ids[number][kept].astype(np.int32), weights[number][kept]
        text = store.content(row)
        if text is not None:
            text = text.encode()[:TEXT_BYTES].decode(errors="ignore")
        found.append(Loaded(docid, cls[number], ids, positive, text))
    return found
