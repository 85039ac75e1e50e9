"""The lexical side of a query, for Pyserini's impact searcher."""

from __future__ import annotations

from typing import Any

import numpy as np

from pyserini_dupmae.encoders.base import QueryEncoder, refuse_tokenizer
from pyserini_dupmae.modeling.query_encoder import QueryModel

QUERY_SCALE = 100
"""Pyserini's query weights are whole numbers: mu is multiplied by this and rounded. One number for all queries, so
that a fusion weight means the same for each; Anserini writes a query out with each term repeated weight times, so
a larger one would cost time and a smaller one precision."""

MAX_TERMS = 1024
"""Lucene refuses a query of more terms (``maxClauseCount``)."""


class DupMAEImpactQueryEncoder(QueryEncoder):
    """Pyserini's ``QueryEncoder`` that gives mu (Eq. 6-7) as whole numbers, for ``LuceneImpactSearcher``.

    Args:
        model_name_or_path: a DupMAE model: a folder, or a name on the Hugging Face Hub.
        tokenizer_name: None; a DupMAE model brings its own tokenizer.
        device: where to encode: ``cpu``, ``cuda:0``...

    Raises:
        UserError: there is no such DupMAE model, or another tokenizer is given.
    """

    def __init__(self, model_name_or_path: str, tokenizer_name: str | None = None, device: str = "cpu"):
        super().__init__()
        refuse_tokenizer(tokenizer_name, model_name_or_path)
        self.query_model = QueryModel.load(model_name_or_path, device)
        self.has_model = True

    def encode(self, text: str, **kwargs: Any) -> dict[str, int]:
        """{term: mu of the term times `QUERY_SCALE`, rounded}: the `MAX_TERMS` largest that are at least 1."""
        query = self.query_model.encode([text])[0]
        weights = np.rint(query.weights * QUERY_SCALE).astype(np.int64)
        largest = np.argsort(-query.weights, kind="stable")[:MAX_TERMS]
        terms = self.query_model.model.terms
        return {terms[query.token_ids[i]]: int(weights[i]) for i in largest if weights[i] > 0}
