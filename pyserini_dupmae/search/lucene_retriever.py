"""The sparse list from a Lucene impact index.

Lucene is asked directly, with the query's weights as floats and all of them, where Anserini's searcher takes whole
numbers and repeats each token that many times. A call from Python into Java costs more than Java's own work on a
term or a hit, so a query goes over as one JSON string and its hits come back as one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from pyserini_dupmae.jvm import java_class
from pyserini_dupmae.modeling.query_encoder import EncodedQuery
from pyserini_dupmae.search.fusion import Candidates
from pyserini_dupmae.util.errors import UserError, first_line

FIELD = "contents"
ID_FIELD = "id"
# Lucene rounds each product of a weight and an impact to float32, adds them in float64 and rounds the sum to float32,
# and the scale was rounded too: three times 2**-24. All terms are positive, so the relative errors do not add up.
ROUNDING = 1 + 2.0**-22
ROWS_CHECKED = 16
MAX_INT = 2**31 - 1


class LuceneRetriever:
    """A `fusion.SparseRetriever` over an impact index whose document n is row n.

    Args:
        folder: the index.
        terms: the index term of each vocabulary id.
        scale: what one unit of impact is worth; weights were rounded up to whole units.
        docids: what the documents must be, by row.

    Raises:
        UserError: there is no index that Lucene can read, or its documents are others.
    """

    def __init__(self, folder: str | Path, terms: Sequence[str], scale: float, docids: Sequence[str]):
        self.folder = Path(folder)
        self.scale = scale
        self._reader = self._open()
        self._require(docids)
        searcher_class = java_class("org.apache.lucene.search.IndexSearcher")
        searcher_class.setMaxClauseCount(max(searcher_class.getMaxClauseCount(), len(terms)))
        # pyjnius takes the first constructor that could do, which is another one.
        self._searcher = searcher_class(self._reader, signature="(Lorg/apache/lucene/index/IndexReader;)V")
        self._searcher.setSimilarity(java_class("io.anserini.search.similarity.ImpactSimilarity")())
        self._searcher.setQueryCache(None)
        self._generator = java_class("io.anserini.search.query.BagOfWordsQueryGenerator")()
        self._collect = _collector()
        mapper = java_class("com.fasterxml.jackson.databind.ObjectMapper")()
        self._weights_reader = mapper.readerForMapOf(java_class("java.lang.Float"))
        self._hits_writer = mapper.writer()
        self._keys = [f"{json.dumps(term)}:" for term in terms]

    def __len__(self) -> int:
        return self._reader.numDocs()

    def top(self, query: EncodedQuery, n: int) -> Candidates:
        if len(query.token_ids) == 0:
            return Candidates(np.empty(0, np.int64), 0.0)
        pairs = zip(query.token_ids.tolist(), query.weights.tolist(), strict=True)
        weights = self._weights_reader.readValue("{" + ",".join([f"{self._keys[i]}{w!r}" for i, w in pairs]) + "}")
        with self._readable():
            found = self._searcher.search(self._generator.buildQuery(FIELD, weights), self._collect(n))
        hits = json.loads(self._hits_writer.writeValueAsString(found))["scoreDocs"]
        rows = np.array([hit["doc"] for hit in hits], np.int64)
        # Lucene 10, which comes with Pyserini 2, takes damaged postings for numbers of documents.
        if rows.size and not 0 <= rows.min() <= rows.max() < len(self):
            raise UserError(
                f"Lucene cannot read the index {self.folder}: it finds others than its {len(self)} documents; "
                "build it again"
            )
        return Candidates(rows, hits[-1]["score"] * self.scale * ROUNDING if len(hits) == n else 0.0)

    def document(self, docid: str | int) -> Any | None:
        """Pyserini's ``Document`` by docid (str) or by row (int), or None when there is no such document."""
        from pyserini.index.lucene import Document

        with self._readable():
            if isinstance(docid, int):
                found = self._reader.storedFields().document(docid) if 0 <= docid < len(self) else None
            else:
                found = java_class("io.anserini.index.IndexReaderUtils").document(self._reader, docid)
        return None if found is None else Document(found)

    def close(self) -> None:
        self._reader.close()

    def _open(self) -> Any:
        # Absolute, because Java keeps the working folder that it was started in.
        path = java_class("java.nio.file.Paths").get(str(self.folder.absolute()))
        with self._readable():
            directory = java_class("org.apache.lucene.store.FSDirectory").open(path)
            return java_class("org.apache.lucene.index.DirectoryReader").open(directory)

    @contextmanager
    def _readable(self) -> Iterator[None]:
        """Turn what Java throws over a damaged index into a `UserError`."""
        try:
            yield
        except Exception as error:  # JavaException, which only exists once the JVM runs
            if type(error).__name__ != "JavaException":
                raise
            raise UserError(
                f"Lucene cannot read the index {self.folder}: {first_line(error)}; build it again"
            ) from None

    def _require(self, docids: Sequence[str]) -> None:
        if self._reader.maxDoc() != len(docids) or self._reader.hasDeletions():
            raise UserError(f"{self.folder} holds {self._reader.numDocs()} documents, but its store {len(docids)}")
        with self._readable():
            self._require_ids(docids)

    def _require_ids(self, docids: Sequence[str]) -> None:
        fields = self._reader.storedFields()
        for row in np.unique(np.linspace(0, len(docids) - 1, ROWS_CHECKED, dtype=int)).tolist():
            found = fields.document(row).get(ID_FIELD)
            if found != docids[row]:
                raise UserError(
                    f"document {row} of {self.folder} is {found!r}, but {docids[row]!r} in its store; build it again"
                )


def _collector() -> Callable[[int], Any]:
    """What collects the best n in Lucene.

    It counts all that match, so that Lucene does not look for documents to skip: with hundreds of terms of like weight
    that costs more than it saves.
    """
    collector = java_class("org.apache.lucene.search.TopScoreDocCollector")
    if hasattr(collector, "createSharedManager"):  # Lucene 9, which comes with Pyserini 1
        return lambda n: collector.createSharedManager(n, None, MAX_INT)
    manager = java_class("org.apache.lucene.search.TopScoreDocCollectorManager")
    return lambda n: manager(n, MAX_INT)
