"""The engine ``milvus``: the two lists of the threshold algorithm, and the exact parts, from a collection in Milvus.

The searching machine needs neither a store nor FAISS nor Java. Scores are computed here, in float64 and in the store's
own order, from the numbers that Milvus gives back, which are those of the store; so a ranking is the one that the other
engines give. Milvus's own scores only order the lists and bound what they leave out: they are sums of float32 products
in an order that nobody knows, and the bounds allow for any. They also allow for weights that are kept in half
precision, as Milvus's newer inverted indexes have them (SINDI, from index version 10 of Knowhere on). Each score is
compared with the exact one: a Milvus that computes in fewer bits than the bounds allow for is an error, no wrong proof.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pyserini_dupmae.index.milvus import Loaded, MilvusInfo, count, digest_of, read_rows, sampled
from pyserini_dupmae.index.milvus_client import DEFAULT_COLLECTION, Milvus, answer_seconds
from pyserini_dupmae.modeling.query_encoder import EncodedQuery
from pyserini_dupmae.search.engines import Choice, Hit, hits_of, require_mode
from pyserini_dupmae.search.exact_scorer import ExactScorer
from pyserini_dupmae.search.faiss_retriever import ROUNDING
from pyserini_dupmae.search.fusion import Candidates, Fusion
from pyserini_dupmae.search.milvus_store import MilvusStore
from pyserini_dupmae.search.ranking import Ranker, Ranking
from pyserini_dupmae.util.errors import UserError
from pyserini_dupmae.util.log import logger

PAGE = 16_384
"""Milvus returns at most so many hits of a search."""
HITS_OF_A_CALL = 1 << 16
HALF = 2.0**-10
"""Twice what a weight is off in half precision, as a share of it; one below 2**-14 is off by 2**-25 at most."""
SEARCH_PARAMETERS: dict[str, Callable[[int], dict[str, Any]]] = {
    "FLAT": lambda n: {},
    "HNSW": lambda n: {"ef": max(2 * n, 64)},
    "IVF_FLAT": lambda n: {"nprobe": 16},
}
"""Index of the dense vectors -> what a search for n hits gives it."""


class _List:
    """One of the two lists: searches of one field, in pages."""

    field: str

    def __init__(self, store: MilvusStore):
        self.store = store
        self.scorer = ExactScorer(store)

    def _compare(self, rows: np.ndarray, scores: np.ndarray, exact: np.ndarray, off: np.ndarray | float) -> None:
        """Raise `UserError` where one of the ``scores`` (m,) is further from the ``exact`` one than ``off``."""
        wrong = np.flatnonzero(~(np.abs(scores - exact) <= off))
        if len(wrong):
            first = int(wrong[0])
            (docid,) = self.store.docids.take([int(rows[first])])
            raise UserError(
                f"Milvus at {self.store.milvus.uri} gives {docid!r} the score {scores[first]:.9g} for {self.field}, "
                f"but its numbers make {exact[first]:.9g}: it computes in too few bits to bound what it "
                "leaves out; have it compute in float32, or search the store with --engine scan"
            )

    def _pages(
        self, vectors: list[Any], n: int, parameters: dict[str, Any], lowest: float, slack: Callable[[float], float]
    ) -> list[tuple[np.ndarray, np.ndarray, bool]]:
        """For each of ``vectors`` the best ``n`` rows and their scores, and whether these are all that there are.

        A page after the first holds what scores at most as much as the last hit so far, and ``slack`` more: a score may
        differ from one call to the next by its rounding.
        """
        found = []
        limit = min(n, PAGE)
        for vector, first in zip(vectors, self._search(vectors, limit, parameters), strict=True):
            scores, is_all = dict(first), len(first) < limit
            while len(scores) < n and not is_all:
                last = min(scores.values())
                parts = {**parameters, "radius": lowest, "range_filter": last + slack(last)}
                (page,) = self._search([vector], PAGE, parts)
                new = [pair for pair in page if pair[0] not in scores]
                scores.update(new)
                is_all = len(page) < PAGE
                if not new:
                    break  # more documents than a page holds have this score
            rows, values = np.array(list(scores), np.int64), np.array(list(scores.values()))
            best = np.argsort(-values, kind="stable")[:n]
            found.append((rows[best], values[best], is_all and len(best) == len(rows)))
        return found

    def _search(self, vectors: list[Any], limit: int, parameters: dict[str, Any]) -> list[list[tuple[int, float]]]:
        answers = self.store.milvus.ask(
            "search",
            self.store.name,
            data=vectors,
            anns_field=self.field,
            limit=limit,
            search_params={"metric_type": "IP", "params": parameters},
            consistency_level="Strong",
        )
        if len(answers) != len(vectors):
            raise UserError(f"Milvus at {self.store.milvus.uri} answered {len(answers)} of {len(vectors)} queries")
        # A server that does not tell the name of the primary key has it as "id".
        return [[(int(hit.get("row", hit.get("id"))), float(hit["distance"])) for hit in one] for one in answers]


class MilvusDense(_List):
    """A `fusion.DenseRetriever` over the field ``cls``.

    A score is off by at most d' 2**-23 times both norms, whatever the order of the sum (`faiss_retriever`).
    """

    field = "cls"

    @property
    def flat(self) -> bool:
        return self.store.info.dense_index == "FLAT"

    def top(self, queries: Sequence[EncodedQuery], n: int, threads: int) -> list[Candidates]:
        documents = len(self.store)
        n = min(n, documents)
        found: list[Candidates] = []
        together = max(1, HITS_OF_A_CALL // n)
        for start in range(0, len(queries), together):
            part = queries[start : start + together]
            if n <= PAGE:
                found += [self._candidates(*one, n) for one in self._asked(list(part), n)]
            else:
                found += [self._candidates(*self._asked([query], n)[0], n) for query in part]
        return found

    def _asked(self, queries: list[EncodedQuery], n: int) -> list[tuple[np.ndarray, np.ndarray, float]]:
        """Rows and scores of each query, and by how much a score can be off."""
        info = self.store.info
        norms = [float(np.linalg.norm(query.cls.astype(np.float64))) for query in queries]
        off = [ROUNDING * info.model.cls_dim * norm * info.largest_norm for norm in norms]
        lowest = -2 * max(norms) * info.largest_norm - 1
        slack = max(off)
        parameters = SEARCH_PARAMETERS[info.dense_index](n)
        vectors = [query.cls.astype(np.float32) for query in queries]
        pages = self._pages(vectors, n, parameters, lowest, lambda last: 2 * slack + abs(last) * ROUNDING)
        if self.flat:
            for query, (rows, scores, _), one in zip(queries, pages, off, strict=True):
                self._compare(rows, scores, self.scorer.parts(query, rows)[0], one)
        return [(rows, scores, one) for (rows, scores, _), one in zip(pages, off, strict=True)]

    def _candidates(self, rows: np.ndarray, scores: np.ndarray, off: float, n: int) -> Candidates:
        if len(rows) == len(self.store):
            return Candidates(rows, -math.inf)
        if not self.flat:
            return Candidates(rows, math.inf)
        if len(rows) < min(n, PAGE):
            raise self.store.changed(f"it gives {len(rows)} of its {n} best documents")
        return Candidates(rows, float(scores[-1]) + off)


class MilvusSparse(_List):
    """A `fusion.SparseRetriever` over the field ``mu``.

    All products are positive, so a sum of m of them in float32, in any order, is off by at most m + 1 roundings, as a
    share of it; weights in half precision may add `HALF`.
    """

    field = "mu"

    def top(self, query: EncodedQuery, n: int) -> Candidates:
        if len(query.token_ids) == 0:
            return Candidates(np.empty(0, np.int64), 0.0)
        terms = min(len(query.token_ids), self.store.top_k)
        relative = HALF + (terms + 2) * ROUNDING
        absolute = 2.0**-24 * float(query.weights.sum())
        vector = dict(zip(query.token_ids.tolist(), query.weights.tolist(), strict=True))
        n = min(n, len(self.store))
        dropped = {"drop_ratio_search": 0.0}
        ((rows, scores, is_all),) = self._pages(
            [vector], n, dropped, 0.0, lambda last: 2 * (relative * last + absolute)
        )
        exact = self.scorer.parts(query, rows)[1]
        self._compare(rows, scores, exact, relative * exact + absolute)
        return Candidates(rows, 0.0 if is_all else (float(scores[-1]) + absolute) * (1 + relative))


@dataclass(frozen=True)
class MilvusDocument:
    """A document with Pyserini's methods."""

    found: Loaded

    def docid(self) -> str:
        return self.found.docid

    def contents(self) -> str | None:
        return self.found.contents

    def raw(self) -> str | None:
        return self.found.contents


class MilvusEngine:
    """A collection in Milvus, opened and checked: what `Engines` is of a folder."""

    def __init__(self, store: MilvusStore):
        self.exact = ExactScorer(store)
        self.choice = Choice("milvus", f"candidates among {len(store)} documents of {store.name} in {store.milvus.uri}")
        self.whole: list[Any] | None = None
        self.device = "cpu"

    def ranker(self, mode: str | None = None) -> Ranker:
        """What ranks by ``mode`` (default: by both parts). Raises `UserError` for an unknown one."""
        parts = require_mode("hybrid" if mode is None else mode)
        store = self.exact.store
        dense = MilvusDense(store) if "dense" in parts else None
        return Fusion(dense, MilvusSparse(store) if "sparse" in parts else None, self.exact)

    def hits(self, ranking: Ranking) -> list[Hit]:
        """A ranking by docid."""
        return hits_of(ranking, self.exact.docids)

    def document(self, docid: str | int) -> MilvusDocument | None:
        """A document by docid (str) or by row (int), with its text where there is one; None when there is none."""
        store = self.exact.store
        try:
            row = docid if isinstance(docid, int) else store.docids.index(docid)
        except ValueError:
            return None
        found = read_rows(store.milvus, store.name, store.info, f"row == {row}", contents=True)
        return MilvusDocument(found[row]) if row in found else None

    def close(self) -> None:
        self.exact.store.milvus.close()


def open_milvus(uri: str, name: str = DEFAULT_COLLECTION) -> MilvusEngine:
    """Open a collection that ``index --to-milvus`` has loaded, and see whether it is as it was then.

    Raises:
        UserError: there is no such collection, it is incomplete or has changed, or Milvus does not answer.
    """
    milvus = Milvus(uri, must_exist=True)
    try:
        info = MilvusInfo.read(milvus, name)
        if info is None:
            raise UserError(
                f"there is no collection {name} in {uri}; load it with pyserini_dupmae.index --to-milvus, or name "
                "another with --collection"
            )
        if not info.is_complete:
            raise UserError(f"the collection {name} in {uri} is not complete; run the command again that loads it")
        milvus.ask("load_collection", name, seconds=answer_seconds())
        store = MilvusStore(milvus, name, info)
        there = count(milvus, name)
        if there != info.documents:
            raise store.changed(f"it holds {there} documents, not {info.documents}")
        rows = sampled(info.documents)
        found = read_rows(milvus, name, info, f"row in {rows}", contents=True)
        if set(found) != set(rows) or digest_of(found[row] for row in rows) != info.sample:
            raise store.changed("some of its documents are others")
    except BaseException:
        milvus.close()
        raise
    if info.dense_index != "FLAT":
        logger.warning(
            "%s in %s has the index %s, which is approximate: nothing is proved", name, uri, info.dense_index
        )
    engine = MilvusEngine(store)
    logger.info("%s", engine.choice)
    return engine
