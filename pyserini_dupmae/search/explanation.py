"""Why a document has its score: Eq. 12 taken apart into [CLS] and the terms of the bag of words."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pyserini_dupmae.data.query_records import SHOWN_HITS, SHOWN_WORDS, FoundDocument
from pyserini_dupmae.modeling.query_encoder import EncodedQuery
from pyserini_dupmae.search.engines import Engines
from pyserini_dupmae.search.exact_scorer import ExactScorer
from pyserini_dupmae.search.ranking import Ranking
from pyserini_dupmae.search.searcher import DupMAESearcher
from pyserini_dupmae.util.errors import UserError

if TYPE_CHECKING:
    from pyserini_dupmae.search.milvus_engine import MilvusEngine


@dataclass(frozen=True)
class TokenShare:
    """One term of the sum in Eq. 12: ``contribution`` is ``query_weight`` times ``document_weight``."""

    token: str
    query_weight: float
    document_weight: float
    contribution: float


@dataclass(frozen=True)
class Explanation:
    """The score of one document, its two parts, and every token that carries the second, largest first."""

    docid: str
    score: float
    cls_score: float
    ot_score: float
    tokens: list[TokenShare]

    def __str__(self) -> str:
        return self.table()

    def table(self, tokens: int = 20) -> str:
        """Plain text: both parts, then the ``tokens`` largest terms of the second in full, the others as one line."""
        heading = f"{'part':<20}{'contribution':>14}{'share':>8}{'query':>10}{'document':>10}"
        parts = [self._line("[CLS]", self.cls_score), self._line("bag of words", self.ot_score)]
        lines = [f"{self.docid}: score {self.score:.6f}", heading, *parts]
        for share in self.tokens[:tokens]:
            weights = f"{share.query_weight:10.4f}{share.document_weight:10.4f}"
            lines.append(self._line(f"  {share.token}", share.contribution) + weights)
        rest = self.tokens[tokens:]
        if rest:
            lines.append(self._line(f"  {len(rest)} more", sum(share.contribution for share in rest)))
        return "\n".join(lines)

    def _line(self, part: str, contribution: float) -> str:
        share = f"{contribution / self.score:8.1%}" if self.score else " " * 8
        return f"{part:<20}{contribution:14.6f}{share}"


def explain(
    index: str | os.PathLike | DupMAESearcher,
    *,
    query: str | EncodedQuery,
    docid: str,
    encoder: str | os.PathLike | None = None,
) -> Explanation:
    """Take the score of a document apart.

    For example::

        import pyserini_dupmae.api as dupmae

        searcher = dupmae.DupMAESearcher("OUT")
        (best,) = searcher.search("why do tides rise?", k=1)
        print(dupmae.explain(searcher, query="why do tides rise?", docid=best.docid))

    Args:
        index: the folder that was ``output`` of `encode`, or a searcher of it, which saves opening it again.
        query: its text, or the query already encoded.
        docid: the document, whether or not a search would find it.
        encoder: the model that encoded the collection (default: the one that it records; of a searcher, its model).

    Raises:
        UserError: there is no such document, index or model.
    """
    if not isinstance(index, DupMAESearcher):
        with DupMAESearcher(index, encoder) as searcher:
            return explain(searcher, query=query, docid=docid)
    exact = index.engines.exact
    (encoded,) = index.encode([query])
    try:
        rows = np.array([exact.docids.index(docid)])
    except ValueError:
        raise UserError(f"there is no document {docid!r} among the {len(exact.docids)} of the index") from None
    (cls,), (ot,) = exact.parts(encoded, rows)
    (tokens,) = token_shares(exact, encoded, rows)
    score, cls_score, ot_score = (float(np.float32(value)) for value in (cls + ot, cls, ot))
    return Explanation(docid, score, cls_score, ot_score, tokens)


def explained_hits(
    engines: Engines | MilvusEngine, mode: str, query: EncodedQuery, ranking: Ranking
) -> list[FoundDocument]:
    """The first hits of ``ranking`` with the words of their scores, and both parts where ``mode`` has both.

    There is one more than is shown, since one may be the query itself.
    """
    hits = engines.hits(ranking)[: SHOWN_HITS + 1]
    found = []
    for hit, tokens in zip(hits, token_shares(engines.exact, query, ranking.rows[: len(hits)]), strict=True):
        dense, sparse = (hit.cls_score, hit.ot_score) if mode == "hybrid" else (None, None)
        words = tuple((share.token, share.contribution) for share in tokens[:SHOWN_WORDS] if mode != "dense")
        found.append(FoundDocument(hit.docid, hit.score, dense, sparse, words))
    return found


def token_shares(exact: ExactScorer, query: EncodedQuery, rows: np.ndarray) -> list[list[TokenShare]]:
    """For each document of ``rows`` (n,) the tokens that carry the second part of its score, largest first."""
    _, token_ids, weights = exact.store.gather(rows, exact.top_k)
    token_ids, weights = token_ids.astype(np.int64), weights.astype(np.float64)
    query_weights = query.mu(exact.store.model.vocab_size)[token_ids].astype(np.float64)
    contributions = query_weights * weights
    terms, found = exact.store.terms, []
    for row, order in enumerate(np.argsort(-contributions, axis=1, kind="stable")):
        kept = order[contributions[row, order] != 0]
        columns = [column[row, kept].tolist() for column in (token_ids, query_weights, weights, contributions)]
        found.append([TokenShare(query.words.get(i, terms[i]), *numbers) for i, *numbers in zip(*columns, strict=True)])
    return found
