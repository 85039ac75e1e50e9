"""The dense side of a query, for Pyserini's FAISS searcher."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pyserini_dupmae.encoders.base import QueryEncoder, refuse_tokenizer
from pyserini_dupmae.modeling.query_encoder import EncodedQuery, QueryModel


class DupMAEQueryEncoder(QueryEncoder):
    """Pyserini's ``QueryEncoder`` that gives the reduced [CLS] of Eq. 10.

    Args:
        encoder_dir: a DupMAE model: a folder, or a name on the Hugging Face Hub.
        tokenizer_name: None; a DupMAE model brings its own tokenizer.
        device: where to encode: ``cpu``, ``cuda:0``...
        prefix: text put before each query, with a space.
        fp16: encode in float16.
        kwargs: pooling, l2_norm and the like, which Pyserini hands to each encoder; of no use to DupMAE.

    Raises:
        UserError: there is no such DupMAE model, or another tokenizer is given.
    """

    def __init__(
        self,
        encoder_dir: str,
        tokenizer_name: str | None = None,
        device: str = "cpu",
        prefix: str | None = None,
        fp16: bool = False,
        **kwargs: Any,
    ):
        super().__init__()
        refuse_tokenizer(tokenizer_name, encoder_dir)
        self.query_model = QueryModel.load(encoder_dir, device, "float16" if fp16 else "float32")
        self.prefix = prefix
        self.has_model = True

    def encode(self, query: str, **kwargs: Any) -> np.ndarray:
        """The [CLS] part of one query: (d',) float32."""
        return self.represent([query])[0].cls

    def encode_batch(self, queries: Sequence[str], **kwargs: Any) -> np.ndarray:
        """The [CLS] parts of some queries: (n, d') float32."""
        return np.stack([query.cls for query in self.represent(queries)])

    def represent(self, queries: Sequence[str]) -> list[EncodedQuery]:
        """Both parts of each query, from one pass of the model."""
        return self.query_model.encode([f"{self.prefix} {query}" if self.prefix else query for query in queries])
