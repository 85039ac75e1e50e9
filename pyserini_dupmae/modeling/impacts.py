"""A query's bag of words as Pyserini and Anserini take it: terms with whole numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pyserini_dupmae.modeling.query_encoder import EncodedQuery

QUERY_SCALE = 100
"""mu is multiplied by this and rounded. One number for all queries, so that a fusion weight means the same for each;
Anserini writes a query out with each term repeated weight times, so a larger one would cost time and a smaller one
precision."""

MAX_TERMS = 1024
"""Lucene refuses a query of more terms (``maxClauseCount``)."""


def impacts(query: EncodedQuery, terms: Sequence[str]) -> dict[str, int]:
    """{term: mu of the term times `QUERY_SCALE`, rounded}: the `MAX_TERMS` largest that are at least 1.

    Args:
        terms: the index term of each of the |V| ids, as the model has them.

    >>> query = EncodedQuery(np.zeros(2), np.array([0, 2]), np.array([0.001, 1.234]))
    >>> impacts(query, ["sea", "moon", "tide"])
    {'tide': 123}
    """
    weights = np.rint(query.weights * QUERY_SCALE).astype(np.int64)
    largest = np.argsort(-query.weights, kind="stable")[:MAX_TERMS]
    return {terms[query.token_ids[i]]: int(weights[i]) for i in largest if weights[i] > 0}
