"""Searching an encoded collection by Eq. 12, with the signatures of Pyserini's searchers."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from pyserini_dupmae.index.milvus_client import DEFAULT_COLLECTION
from pyserini_dupmae.modeling.query_encoder import EncodedQuery, QueryModel
from pyserini_dupmae.search.engines import Engines, Hit, open_collection, require_mode
from pyserini_dupmae.search.milvus_engine import MilvusEngine, open_milvus
from pyserini_dupmae.search.ranking import Ranking
from pyserini_dupmae.util.command import MILVUS
from pyserini_dupmae.util.errors import UserError
from pyserini_dupmae.util.log import logger
from pyserini_dupmae.util.machine import cores


class DupMAESearcher:
    """Searches an encoded collection, and proves what it returns.

    For example::

        from pyserini_dupmae import DupMAESearcher

        searcher = DupMAESearcher("OUT")
        for hit in searcher.search("why do tides rise?", k=10):
            print(hit.docid, hit.score, hit.cls_score, hit.ot_score)
        hits = searcher.batch_search(["why do tides rise?", "how deep is the sea?"], ["1", "2"], k=10, threads=2)
        print(hits["2"][0].docid)

    It can be used in a ``with`` statement, which closes it.

    Args:
        index: the folder that was ``output`` of `encode`, ``--index`` of ``python -m pyserini_dupmae.encode``. Or
            ``uri``.
        encoder: the model that encoded the collection, by folder or name, or already loaded (default: by the name that
            the collection records). By name it is loaded once the index has been opened. A scan is computed where the
            model is.
        mode: ``"hybrid"`` (Eq. 12), ``"dense"`` ([CLS] alone, no Java needed) or ``"sparse"`` (bag of words alone).
        certify: how many of the hits are to be proved (default: all).
        max_depth: the longest list to ask an index for (default: any).
        engine: ``"scan"``, which scores every document, ``"lists"``, or ``"auto"``, as `pyserini_dupmae.search.engines`
            says. With ``uri`` it is ``"milvus"``, which ``"auto"`` takes then.
        device: where queries are encoded (default: a GPU if there is one). This and what follows is of an encoder that
            is named; one that is loaded is as it is.
        dtype: what queries are encoded in: ``"auto"``, as the documents were, ``"float32"``, ``"bfloat16"`` or
            ``"float16"``.
        query_top_k: the entries of mu kept of a query (default: as the model's configuration says, which may be all).
        query_max_length: tokens kept of a query (default: the model's).
        verify: read all files of the collection first, and compare them with the checksums that are kept of them.
        shard_id, shard_num: search one shard, from 0, of a collection that is cut into ``shard_num``: ``index`` was
            encoded as that shard, or holds the whole, of which a part is searched.
        uri, collection: what ``index --to-milvus`` has loaded: a file of Milvus Lite (``milvus.db``) or a server
            (``http://host:19530``), and the collection's name there. Neither FAISS nor Java nor a store is needed.

    Raises:
        UserError: an unknown mode, no such index or model, a model that did not encode the collection, or damage.
    """

    def __init__(
        self,
        index: str | os.PathLike | None = None,
        encoder: str | os.PathLike | QueryModel | None = None,
        *,
        mode: str = "hybrid",
        certify: int | None = None,
        max_depth: int | None = None,
        engine: str = "auto",
        device: str | None = None,
        dtype: str = "auto",
        query_top_k: int | None = None,
        query_max_length: int | None = None,
        shard_id: int = 0,
        shard_num: int = 1,
        verify: bool = False,
        uri: str | None = None,
        collection: str = DEFAULT_COLLECTION,
    ):
        self.certify, self.max_depth = certify, max_depth
        self.engines = _open(index, mode, engine, (shard_id, shard_num), verify, uri, collection)
        store, place = self.engines.exact.store, str(uri or index)
        if isinstance(encoder, QueryModel):
            encoder.identity.require(store.model, place)
        else:
            name, chosen = str(encoder) if encoder else None, store.dtype if dtype == "auto" else dtype
            how = (device, chosen, query_top_k, query_max_length)
            encoder = QueryModel.that_encoded(place, store.model, name, *how)
        self.encoder = encoder
        self.engines.device = str(self.encoder.model.device)
        if isinstance(self.engines, MilvusEngine):
            self.engines.exact.store.terms = self.encoder.model.terms
        if encoder.dtype != store.dtype:
            logger.warning("queries are encoded in %s, but documents were in %s", encoder.dtype, store.dtype)
        self.num_docs = len(self.engines.exact.docids)
        self.mode = mode
        self._ranker = self.engines.ranker(mode)

    def search(self, query: str | EncodedQuery, k: int = 10) -> list[Hit]:
        """The k best documents for a query, given as text or already encoded."""
        return self.batch_search([query], ["query"], k)["query"]

    def batch_search(
        self, queries: Sequence[str | EncodedQuery], qids: Sequence[str], k: int = 10, threads: int | None = None
    ) -> dict[str, list[Hit]]:
        """The k best documents for each query, by query id. What is not proved is logged as a warning.

        ``threads`` search; by default one for each core that the process may use. No ranking depends on them.
        """
        rankings = self.rank(queries, k, threads)
        unproved = sum(not ranking.proved for ranking in rankings)
        if unproved:
            logger.warning("the ranking of %d of %d queries is not proved", unproved, len(rankings))
        return {qid: self.engines.hits(ranking) for qid, ranking in zip(qids, rankings, strict=True)}

    def rank(self, queries: Sequence[str | EncodedQuery], k: int, threads: int | None = None) -> list[Ranking]:
        """What `batch_search` is made from: rows, scores, whether they are proved, and how deep the search went."""
        certify = k if self.certify is None else min(self.certify, k)
        return self._ranker.search(self.encode(queries), k, certify, self.max_depth, threads or cores())

    def encode(self, queries: Sequence[str | EncodedQuery]) -> list[EncodedQuery]:
        """The queries, with those that are text encoded."""
        texts = [query for query in queries if isinstance(query, str)]
        encoded = iter(self.encoder.encode(texts))
        return [next(encoded) if isinstance(query, str) else query for query in queries]

    def doc(self, docid: str | int) -> Any | None:
        """Pyserini's ``Document`` by docid (str) or row (int), from the Lucene index; None when there is none.

        Its ``raw()`` is there when the collection was encoded with its contents. From Milvus, an object that has its
        methods ``docid``, ``contents`` and ``raw``.
        """
        if isinstance(self.engines, MilvusEngine):
            return self.engines.document(docid)
        if self.mode == "dense":
            raise UserError(
                "the dense mode does not open the Lucene index, which keeps the documents; use another mode"
            )
        return self.engines.document(docid)

    def close(self) -> None:
        """Close the Lucene index, or the connection to Milvus."""
        self.engines.close()

    def __enter__(self) -> DupMAESearcher:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _open(
    index: str | os.PathLike | None,
    mode: str,
    engine: str,
    shard: tuple[int, int],
    verify: bool,
    uri: str | None,
    collection: str,
) -> Engines | MilvusEngine:
    """Open a folder or a collection in Milvus, whichever is given; both or neither is a `UserError`."""
    if (index is None) == (uri is None):
        raise UserError("give --index, the folder of a collection, or --uri, a Milvus, and not both")
    if index is not None:
        if engine == MILVUS:
            raise UserError("--engine milvus searches a Milvus; say with --uri where it is, and leave out --index")
        return open_collection(index, mode, engine, *shard, verify)
    if engine not in ("auto", MILVUS):
        raise UserError(f"--engine {engine} reads a folder; with --uri it is {MILVUS}")
    if shard != (0, 1):
        raise UserError("--uri and --shard-num exclude each other; a cluster of Milvus has shards of its own")
    if verify:
        raise UserError("--verify reads the files of a folder; what is loaded into Milvus was compared with them then")
    require_mode(mode)
    return open_milvus(str(uri), collection)
