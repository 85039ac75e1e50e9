"""From topics to a run: the whole of a search, with what was proved and how long it took."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pyserini_dupmae.data.query_records import SHOWN_HITS, QueryRecord, write_queries
from pyserini_dupmae.data.runs import FORMS, run_lines
from pyserini_dupmae.data.topics import Topic, Topics, read_topics
from pyserini_dupmae.index.milvus_client import DEFAULT_COLLECTION
from pyserini_dupmae.modeling.query_encoder import EncodedQuery
from pyserini_dupmae.search.explanation import explained_hits
from pyserini_dupmae.search.ranking import Limits
from pyserini_dupmae.search.searcher import DupMAESearcher
from pyserini_dupmae.search.shards import QueriesDigest, ShardRecord
from pyserini_dupmae.util.errors import UserError, require_positive
from pyserini_dupmae.util.files import atomic_open, require_file
from pyserini_dupmae.util.progress import Progress

TAG = "dupmae"
ENCODED_TOGETHER = 1024
SAMPLED_DOCUMENTS = 1000


@dataclass(frozen=True)
class SearchResult:
    """What `search` did.

    Attributes:
        path: the run.
        certify: how many of the hits of a query were to be proved.
        proved: for each query whether they are.
        depths: for each query how long the lists were, or the size of the collection after a scan of it.
        batch_size: queries that were taken together.
        batch_seconds: what each batch took, encoding included.
        query_terms: how many terms a query has in its bag of words, on average.
        document_terms: the same of a document, in a sample.
    """

    path: Path
    certify: int
    proved: tuple[bool, ...]
    depths: tuple[int, ...]
    batch_size: int
    batch_seconds: tuple[float, ...]
    query_terms: float
    document_terms: float

    @property
    def queries(self) -> int:
        return len(self.proved)

    @property
    def seconds(self) -> float:
        """What encoding and searching the queries took, without opening the indexes and writing the run."""
        return sum(self.batch_seconds)

    def __str__(self) -> str:
        proved = sum(self.proved)
        unproved = "" if proved == self.queries else f"; NOT PROVED for {self.queries - proved}"
        median, slow = 1000 * np.percentile(self.batch_seconds, (50, 95))
        unit = "query" if self.batch_size == 1 else f"batch of {self.batch_size}"
        times = f"{median:.1f} ms (median), {slow:.1f} ms (95th percentile)"
        return (
            f"top {self.certify} proved for {proved} of {self.queries} queries{unproved}\n"
            f"{self.queries / self.seconds:.1f} queries/s, encoding included; a {unit} took {times}; "
            f"depth {np.median(self.depths):.0f} (median), {max(self.depths)} (largest)\n"
            f"terms on average: {self.query_terms:.1f} in a query, {self.document_terms:.1f} in a document"
        )


def search(
    index: str | os.PathLike | None = None,
    *,
    topics: Topics,
    output: str | os.PathLike,
    encoder: str | os.PathLike | None = None,
    hits: int = 1000,
    mode: str = "hybrid",
    certify: int | None = None,
    max_depth: int | None = None,
    remove_query: bool = False,
    batch_size: int = 32,
    threads: int | None = None,
    device: str | None = None,
    dtype: str = "auto",
    output_format: str = "trec",
    explanations: str | os.PathLike | None = None,
    engine: str = "auto",
    query_top_k: int | None = None,
    query_max_length: int | None = None,
    shard_id: int = 0,
    shard_num: int = 1,
    verify: bool = False,
    uri: str | None = None,
    collection: str = DEFAULT_COLLECTION,
) -> SearchResult:
    """Search an encoded collection by Eq. 12 and write a run, which holds exact scores only.

    For example::

        import pyserini_dupmae.api as dupmae

        found = dupmae.search("OUT", topics={"1": "why do tides rise?"}, output="run.txt", hits=100)
        print(found)
        assert all(found.proved)

    The run does not depend on ``batch_size`` and ``threads``.

    Args:
        index: the folder that was ``output`` of `encode`. Or ``uri``.
        topics: a name of Pyserini's, a file (.tsv, .txt, .jsonl, .trec), an ir_datasets id, or the topics themselves:
            pairs of query id and text, or query id -> text.
        output: the run to write.
        encoder: the model that encoded the collection: a folder, or a name on the Hub (default: the one that it
            records).
        hits: documents a query.
        mode: ``"hybrid"`` (Eq. 12), or ``"dense"`` or ``"sparse"``, one part of it alone.
        certify: how many of the hits are to be proved (default: all).
        max_depth: the longest list to ask an index for (default: any); what stays unproved is said.
        remove_query: leave out the document that has the query's own id.
        batch_size: queries taken together.
        threads: threads that search (default: one for each core that the process may use).
        device: where the queries are encoded (default: a GPU if there is one).
        dtype: what the queries are encoded in: ``"auto"``, as the documents were, ``"float32"``, ``"bfloat16"`` or
            ``"float16"``.
        engine: ``"scan"``, which scores every document and needs neither FAISS nor Java, ``"lists"``, or ``"auto"``;
            with ``uri`` it is ``"milvus"``.
        query_top_k: the entries of mu kept of a query (default: as the model's configuration says, which may be all).
        query_max_length: tokens kept of a query (default: the model's).
        explanations: also write, for each query, its text and first hits with the parts and words of their scores to
            this file (``.jsonl``).
        output_format: ``"trec"`` (``qid Q0 docid rank score tag``) or ``"msmarco"`` (``qid docid rank``).
        shard_id, shard_num: search one shard, from 0, of a collection that is cut into ``shard_num``, for `merge`:
            scores are written in full, and beside the run a file that says what it is of. ``index`` was encoded as that
            shard, or holds the whole, of which a part is searched.
        verify: read all files of the collection first, and compare them with the checksums that are kept of them.
        uri, collection: what ``index --to-milvus`` has loaded: a file of Milvus Lite (``milvus.db``) or a server
            (``http://host:19530``), and the collection's name there.

    Raises:
        UserError: there is no such index, model or topics, the model did not encode the collection, or an option is out
            of range.
    """
    certify = hits if certify is None else certify
    Limits(hits, certify, max_depth)
    require_positive(batch_size=batch_size, threads=threads)
    if output_format not in FORMS:
        raise UserError(f"unknown output format {output_format!r}; choose one of {', '.join(FORMS)}")
    if shard_num > 1 and output_format != "trec":
        raise UserError(f"the run of a shard is in TREC's form; give --output-format {output_format} to merge")
    read = [topics] if isinstance(topics, str | os.PathLike) else []
    path = require_file(output, reads=read)
    if explanations is not None:
        require_file(explanations, reads=[*read, path])
    pairs = read_topics(topics)
    records: list[QueryRecord] = []
    proved: list[bool] = []
    depths: list[int] = []
    terms: list[int] = []
    seconds: list[float] = []
    seen = QueriesDigest()
    with DupMAESearcher(
        index,
        encoder,
        mode=mode,
        certify=certify + remove_query,
        max_depth=max_depth,
        engine=engine,
        device=device,
        dtype=dtype,
        query_top_k=query_top_k,
        query_max_length=query_max_length,
        shard_id=shard_id,
        shard_num=shard_num,
        verify=verify,
        uri=uri,
        collection=collection,
    ) as searcher:
        with atomic_open(path) as run, Progress("searching", len(pairs), "queries") as progress:
            for batch, queries, encoding in _encoded(searcher, pairs, batch_size):
                before = time.perf_counter()
                rankings = searcher.rank(queries, hits + remove_query, threads)
                seconds.append(encoding + time.perf_counter() - before)
                proved += [ranking.proved for ranking in rankings]
                depths += [ranking.depth for ranking in rankings]
                terms += [len(query.token_ids) for query in queries]
                seen.add(batch, queries)
                for (qid, text), query, ranking in zip(batch, queries, rankings, strict=True):
                    if explanations is not None:
                        first = explained_hits(searcher.engines, mode, query, ranking)
                        shown = [hit for hit in first if not (remove_query and hit.docid == qid)]
                        records.append(QueryRecord(qid, text, tuple(shown[: min(hits, SHOWN_HITS)])))
                    found = searcher.engines.hits(ranking)
                    kept = [hit for hit in found if not (remove_query and hit.docid == qid)][:hits]
                    run.writelines(run_lines(qid, kept, output_format, TAG, in_full=shard_num > 1))
                progress.update(len(batch))
        document_terms = _document_terms(searcher)
        if explanations is not None:
            write_queries(explanations, records)
        if shard_num > 1:
            settings = {"mode": mode, "hits": hits, "certify": certify, "remove_query": remove_query}
            unproved = [qid for (qid, _), is_proved in zip(pairs, proved, strict=True) if not is_proved]
            ShardRecord.of(searcher, (shard_id, shard_num), settings, seen, unproved, path).write(path)
    return SearchResult(
        path=path,
        certify=certify,
        proved=tuple(proved),
        depths=tuple(depths),
        batch_size=batch_size,
        batch_seconds=tuple(seconds),
        query_terms=float(np.mean(terms)),
        document_terms=document_terms,
    )


def _encoded(
    searcher: DupMAESearcher, pairs: Sequence[Topic], batch_size: int
) -> Iterator[tuple[Sequence[Topic], list[EncodedQuery], float]]:
    """``pairs`` in batches, with the queries encoded, and the seconds that this took.

    Many batches are encoded together, so that there are more queries of one length.
    """
    together = max(1, ENCODED_TOGETHER // batch_size) * batch_size
    for start in range(0, len(pairs), together):
        part = pairs[start : start + together]
        before = time.perf_counter()
        queries = searcher.encode([text for _, text in part])
        seconds = (time.perf_counter() - before) / len(part)
        for first in range(0, len(part), batch_size):
            batch = part[first : first + batch_size]
            yield batch, queries[first : first + batch_size], seconds * len(batch)


def _document_terms(searcher: DupMAESearcher) -> float:
    """The mean number of terms of documents, of a sample that is spread over the collection."""
    rows = np.unique(np.linspace(0, searcher.num_docs - 1, SAMPLED_DOCUMENTS, dtype=np.int64))
    exact = searcher.engines.exact
    _, _, weights = exact.store.gather(rows, exact.top_k)
    return float((weights > 0).sum(axis=1).mean())
