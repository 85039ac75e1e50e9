"""Searching an encoded collection by Eq. 12, with the signatures of Pyserini's searchers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pyserini_dupmae.modeling.query_encoder import EncodedQuery, QueryModel
from pyserini_dupmae.search.fusion import Ranking
from pyserini_dupmae.search.opening import Hit, open_sources
from pyserini_dupmae.util.errors import UserError
from pyserini_dupmae.util.log import logger

MODES = ("dense", "sparse", "hybrid")


class DupMAESearcher:
    """Searches an encoded collection, and proves what it returns.

    For example, with the folders of an encoded collection and its model::

        for hit in DupMAESearcher("OUT", "MODEL").search("why do tides rise?", k=10):
            print(hit.docid, hit.score, hit.cls_score, hit.ot_score)

    Args:
        index: the folder that was ``--embeddings`` of ``pyserini_dupmae.encode``.
        encoder: the model, by folder or name, or already loaded; the one that encoded the collection.
        mode: ``"hybrid"`` (Eq. 12), ``"dense"`` ([CLS] alone, no Java needed) or ``"sparse"`` (bag of words alone).
        certify: how many of the hits are to be proved (default: all).
        max_depth: the longest list to ask an index for (default: any).

    Raises:
        UserError: an unknown mode, no such index or model, or a model that did not encode the collection.
    """

    def __init__(
        self,
        index: str | Path,
        encoder: str | Path | QueryModel,
        mode: str = "hybrid",
        certify: int | None = None,
        max_depth: int | None = None,
    ):
        if mode not in MODES:
            raise UserError(f"unknown mode {mode!r}; choose one of {', '.join(MODES)}")
        index = Path(index)
        self.certify, self.max_depth = certify, max_depth
        self.sources = open_sources(
            index / "faiss" if mode != "sparse" else None, index / "lucene" if mode != "dense" else None
        )
        self.encoder = encoder if isinstance(encoder, QueryModel) else QueryModel.load(str(encoder))
        self.encoder.identity.require(self.sources.model, str(index))
        self.num_docs = len(self.sources.exact.docids)
        self._fusion = self.sources.fusion

    def search(self, q: str | EncodedQuery, k: int = 10) -> list[Hit]:
        """The k best documents for a query, given as text or already encoded."""
        return self.batch_search([q], ["q"], k)["q"]

    def batch_search(
        self, queries: Sequence[str | EncodedQuery], qids: Sequence[str], k: int = 10, threads: int = 1
    ) -> dict[str, list[Hit]]:
        """The k best documents for each query, by query id. What is not proved is logged as a warning."""
        rankings = self.rank(queries, k, threads)
        unproved = sum(not ranking.proved for ranking in rankings)
        if unproved:
            logger.warning("the ranking of %d of %d queries is not proved", unproved, len(rankings))
        return {qid: self.sources.hits(ranking) for qid, ranking in zip(qids, rankings, strict=True)}

    def rank(self, queries: Sequence[str | EncodedQuery], k: int, threads: int = 1) -> list[Ranking]:
        """What `batch_search` is made from: rows, scores, whether they are proved, and how deep the search went."""
        certify = k if self.certify is None else min(self.certify, k)
        return self._fusion.search(self.encode(queries), k, certify, self.max_depth, threads)

    def encode(self, queries: Sequence[str | EncodedQuery]) -> list[EncodedQuery]:
        """The queries, with those that are text encoded."""
        texts = [query for query in queries if isinstance(query, str)]
        encoded = iter(self.encoder.encode(texts))
        return [next(encoded) if isinstance(query, str) else query for query in queries]

    def doc(self, docid: str | int) -> Any | None:
        """Pyserini's ``Document`` by docid (str) or row (int), from the Lucene index; None when there is none.

        Its ``raw()`` is there when the collection was encoded with its contents.
        """
        if self.sources.sparse is None:
            raise UserError(
                "the dense mode does not open the Lucene index, which keeps the documents; use another mode"
            )
        return self.sources.sparse.document(docid)

    def close(self) -> None:
        """Close the Lucene index."""
        self.sources.close()
