"""Writing Lucene impact indexes with Lucene's own ``IndexWriter``.

Anserini's JsonVectorCollection writes each token out weight times and tokenises the result. Here every posting is one
token, ``term<delimiter>weight``, and Lucene's DelimitedTermFrequencyTokenFilter makes the weight its frequency: the
index is the same, and the time to write it does not depend on how large the weights are. A document's number in Lucene
is its row in the store: one thread adds documents, and segments are merged only with their neighbours.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pyserini_dupmae.index.quantisation import Quantisation
from pyserini_dupmae.jvm import OPTIONS_VARIABLE, java_class
from pyserini_dupmae.store import ForwardStore, Shard
from pyserini_dupmae.util.errors import UserError, first_line
from pyserini_dupmae.util.log import logger

_BLOCK = 512  # documents whose text is built ahead, while Lucene takes the block before
_BUFFER_MB = 512
_LONGEST_TERM = 1 << 20  # Lucene's own limit; its default cuts terms after 255 characters
# The first control characters that Java does not take for white space: one byte each, and hardly ever in a vocabulary.
_DELIMITERS = [chr(code) for code in (*range(0x01, 0x09), *range(0x0E, 0x1C))]


class _Document(NamedTuple):
    docid: str
    postings: str
    raw: str | None


def write_lucene(folder: Path, store: ForwardStore, top_k: int, quantisation: Quantisation) -> None:
    """Write the impact index of a store's first ``top_k`` weights a document into the new folder ``folder``.

    Anserini's searchers read it: ``id`` (stored, and as doc value), ``contents`` (terms with their quantised weights as
    frequencies, without norms), and, when the store keeps contents, ``raw`` (stored JSON with ``id`` and ``contents``).
    Weights that are not positive are not indexed.

    Raises:
        UserError: no Java, or the vocabulary has a term that an impact index cannot hold.
    """
    terms = _PostingsText(store.terms, top_k, quantisation)
    with _java_errors(folder), _IndexWriter(folder, terms.delimiter, _has_contents(store)) as writer:
        for document in _ahead(_documents(store, terms)):
            writer.add(document)
    if terms.dropped:
        logger.info(
            "%d kept weights are negative (activation %s) and are not in the impact index",
            terms.dropped,
            store.model.activation,
        )


class _PostingsText:
    """Builds the text that Lucene tokenises into postings."""

    def __init__(self, terms: list[str], top_k: int, quantisation: Quantisation):
        _require_indexable(terms)
        self.delimiter = _unused_delimiter(terms)
        self.top_k = top_k
        self.quantisation = quantisation
        self.dropped = 0
        self._heads = np.array([term + self.delimiter for term in terms], object)
        self._tails = np.array([f"{level} " for level in range(2**quantisation.bits)], object)

    def of(self, token_ids: np.ndarray, weights: np.ndarray) -> Iterator[str]:
        """The text of each of n documents: ``token_ids`` (n, k) and ``weights`` (n, k), the largest first."""
        levels = self.quantisation.quantise(weights)
        counts = np.count_nonzero(levels, axis=1)
        self.dropped += int(np.count_nonzero(weights < 0))
        pieces = np.empty((*levels.shape, 2), object)
        pieces[..., 0], pieces[..., 1] = self._heads[token_ids], self._tails[levels]
        for count, row in zip(counts.tolist(), pieces, strict=True):
            yield "".join(row[:count].ravel().tolist())


def _require_indexable(terms: list[str]) -> None:
    seen: dict[str, int] = {}
    for token_id, term in enumerate(terms):
        if not term or any(character.isspace() for character in term):
            raise UserError(
                f"token {token_id} of the vocabulary is {term!r}: an impact index cannot hold a term that is empty "
                "or has white space; use a model with another tokenizer, or only --to-faiss"
            )
        if seen.setdefault(term, token_id) != token_id:
            raise UserError(
                f"tokens {seen[term]} and {token_id} of the vocabulary are both {term!r}: an impact index would add up "
                "their weights; use a model with another tokenizer, or only --to-faiss"
            )


def _unused_delimiter(terms: list[str]) -> str:
    used = set().union(*terms)
    for delimiter in _DELIMITERS:
        if delimiter not in used:
            return delimiter
    raise UserError("the vocabulary uses every control character, so that none is left to delimit weights from terms")


def _has_contents(store: ForwardStore) -> bool:
    return any(shard.has_contents for shard in store.shards)


def _documents(store: ForwardStore, terms: _PostingsText) -> Iterator[list[_Document]]:
    for shard in store.shards_shown("Lucene index"):
        docids = shard.docids()
        for start in range(0, len(shard), _BLOCK):
            rows = slice(start, start + _BLOCK)
            texts = terms.of(shard.token_ids[rows, : terms.top_k], shard.weights[rows, : terms.top_k])
            yield list(map(_Document, docids[rows], texts, _raw(shard, docids, rows)))


def _raw(shard: Shard, docids: list[str], rows: slice) -> Iterator[str | None]:
    for row, docid in enumerate(docids[rows], rows.start):
        yield json.dumps({"id": docid, "contents": shard.content(row)}) if shard.has_contents else None


def _ahead(blocks: Iterator[list[_Document]]) -> Iterator[_Document]:
    """The documents of ``blocks``, the next block being made in another thread: Java runs without Python's lock."""
    with ThreadPoolExecutor(1) as executor:
        coming = executor.submit(next, blocks, None)
        while (block := coming.result()) is not None:
            coming = executor.submit(next, blocks, None)
            yield from block


class _IndexWriter:
    """Lucene's IndexWriter and one reused document: a few calls into Java for each that is added."""

    def __init__(self, folder: Path, delimiter: str, with_raw: bool):
        field = "org.apache.lucene.document."
        yes = java_class(field + "Field$Store").YES
        self._bytes = java_class("org.apache.lucene.util.BytesRef")
        self._id = java_class(field + "StringField")("id", "", yes)
        self._id_value = java_class(field + "BinaryDocValuesField")("id", self._bytes(b""))
        self._contents = java_class(field + "Field")("contents", "", _impact_type(), signature=_TEXT_FIELD)
        self._raw = java_class(field + "StoredField")("raw", "") if with_raw else None
        self._document = java_class(field + "Document")()
        for part in (self._id, self._id_value, self._contents, self._raw):
            if part is not None:
                self._document.add(part)
        # Absolute, because Java keeps the working folder that it was started in.
        path = java_class("java.nio.file.Paths").get(str(folder.absolute()))
        directory = java_class("org.apache.lucene.store.FSDirectory").open(path)
        self._writer = java_class("org.apache.lucene.index.IndexWriter")(directory, _writer_config(delimiter))

    def __enter__(self) -> _IndexWriter:
        return self

    def __exit__(self, kind: Any, *_: Any) -> None:
        if kind is None:
            self._writer.close()
        else:
            self._writer.rollback()

    def add(self, document: _Document) -> None:
        self._id.setStringValue(document.docid)
        self._id_value.setBytesValue(self._bytes(document.docid.encode()))
        self._contents.setStringValue(document.postings)
        if self._raw is not None:
            self._raw.setStringValue(document.raw or "")
        self._writer.addDocument(self._document)


_TEXT_FIELD = "(Ljava/lang/String;Ljava/lang/CharSequence;Lorg/apache/lucene/index/IndexableFieldType;)V"


def _impact_type() -> Any:
    """A field as Anserini's ``-impact -pretokenized`` makes it: documents and frequencies."""
    kind = java_class("org.apache.lucene.document.FieldType")()
    kind.setIndexOptions(java_class("org.apache.lucene.index.IndexOptions").DOCS_AND_FREQS)
    kind.setOmitNorms(True)
    kind.setTokenized(True)
    kind.freeze()
    return kind


def _writer_config(delimiter: str) -> Any:
    config = java_class("org.apache.lucene.index.IndexWriterConfig")(_analyzer(delimiter))
    config.setSimilarity(java_class("io.anserini.search.similarity.ImpactSimilarity")())
    config.setUseCompoundFile(False)
    config.setMergePolicy(java_class("org.apache.lucene.index.LogDocMergePolicy")())
    heap_mb = java_class("java.lang.Runtime").getRuntime().maxMemory() >> 20
    config.setRAMBufferSizeMB(float(min(_BUFFER_MB, heap_mb // 4)))
    return config


def _analyzer(delimiter: str) -> Any:
    builder = java_class("org.apache.lucene.analysis.custom.CustomAnalyzer").builder()
    builder.withTokenizer("whitespace", _java_map(rule="java", maxTokenLen=str(_LONGEST_TERM)))
    builder.addTokenFilter("delimitedTermFrequency", _java_map(delimiter=delimiter))
    return builder.build()


def _java_map(**entries: str) -> Any:
    result = java_class("java.util.HashMap")()
    for key, value in entries.items():
        result.put(key, value)
    return result


@contextmanager
def _java_errors(folder: Path) -> Iterator[None]:
    """Turn what a user can mend from Java's exceptions into Python's."""
    java_class("java.lang.Object")  # jnius cannot be imported before the JVM has its options
    from jnius import JavaException

    try:
        yield
    except JavaException as error:
        if "No space left on device" in str(error):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder)) from error
        if "OutOfMemoryError" in str(error):
            raise UserError(f"Java ran out of memory; give it more with {OPTIONS_VARIABLE}=-Xmx4g") from None
        raise UserError(f"Lucene cannot write the index {folder}: {first_line(error)}") from None
