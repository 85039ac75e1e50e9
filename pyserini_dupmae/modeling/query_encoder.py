"""Queries as Eq. 12 takes them: a reduced [CLS] and all of mu, both from one pass of the model."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

import numpy as np

from pyserini_dupmae.util.errors import UserError, require_positive
from pyserini_dupmae.util.log import logger

if TYPE_CHECKING:
    from torch import Tensor

    from pyserini_dupmae.modeling.identity import ModelIdentity
    from pyserini_dupmae.modeling.loading import LoadedModel
    from pyserini_dupmae.modeling.query_batches import QueryBatches

REMEMBERED_QUERIES = 4096
MANY_TERMS = 1500
"""A query of more terms takes an engine many times as long as one of a trained model."""


@dataclass(frozen=True)
class EncodedQuery:
    """One query: ``cls`` (d',) float32, and the positive entries of mu, ``token_ids`` (m,) int64 and ``weights`` (m,)
    float32, by rising id. A query without a known token has m = 0. ``words`` are those of its words for
    which entries beyond the vocabulary stand."""

    cls: np.ndarray
    token_ids: np.ndarray
    weights: np.ndarray
    words: Mapping[int, str] = field(default_factory=dict)

    def mu(self, vocab_size: int) -> np.ndarray:
        """mu as a dense vector (|V|,) float32."""
        dense = np.zeros(vocab_size, np.float32)
        dense[self.token_ids] = self.weights
        return dense

    def largest(self, k: int) -> EncodedQuery:
        """The query with the ``k`` largest entries of mu alone; of equal ones those with the lower ids."""
        if len(self.token_ids) <= k:
            return self
        kept = np.sort(np.argsort(-self.weights, kind="stable")[:k])
        return EncodedQuery(self.cls, self.token_ids[kept], self.weights[kept], self.words)


class QueryModel:
    """Encodes queries with a DupMAE model.

    What was encoded is remembered, so that the dense and the sparse side of one search share a single pass. Negative
    entries of mu (possible with ``activation: none``) are dropped, as an impact index drops them of documents.

    Args:
        loaded: the model.
        query_top_k: how many entries of mu a query keeps, the largest (default: the configuration's, which may be all).
        query_max_length: tokens kept of a query (default: the configuration's).

    Raises:
        UserError: the model does not take so many tokens, or ``query_top_k`` is below 1.
    """

    def __init__(self, loaded: LoadedModel, query_top_k: int | None = None, query_max_length: int | None = None):
        self.model = loaded.model
        self.identity: ModelIdentity = loaded.identity
        config = self.model.config
        require_positive(query_top_k=query_top_k)
        self.query_top_k = config.query_top_k if query_top_k is None else query_top_k
        try:
            self.query_max_length = config.check_length(
                "--query-max-length", config.query_max_length if query_max_length is None else query_max_length
            )
        except ValueError as error:
            raise UserError(str(error)) from None
        self._memory: OrderedDict[str, EncodedQuery] = OrderedDict()
        self._warned = False

    @classmethod
    def load(
        cls,
        name: str,
        device: str | None = "cpu",
        dtype: str = "float32",
        query_top_k: int | None = None,
        query_max_length: int | None = None,
    ) -> QueryModel:
        """The model ``name``; loading it twice in a process gives the same object. Raises `UserError`.

        ``device`` None is a GPU if there is one.
        """
        from pyserini_dupmae.modeling.loading import default_device

        return _load(name, device or default_device(), dtype, query_top_k, query_max_length)

    @classmethod
    def that_encoded(
        cls,
        place: str,
        recorded: ModelIdentity,
        encoder: str | None = None,
        device: str | None = "cpu",
        dtype: str = "float32",
        query_top_k: int | None = None,
        query_max_length: int | None = None,
    ) -> QueryModel:
        """The model that encoded what lies at ``place``, which ``recorded`` its identity.

        Args:
            encoder: the model's folder or name; default: what it was called when it encoded.
            device, dtype, query_top_k, query_max_length: as of `load`.

        Raises:
            UserError: it cannot be loaded, or is another model.
        """
        try:
            model = cls.load(encoder or recorded.name, device, dtype, query_top_k, query_max_length)
        except UserError as error:
            if encoder:
                raise
            raise UserError(f"{error}; it is the model that encoded {place}: say with --encoder where it is") from None
        model.identity.require(recorded, place)
        return model

    def encode(self, texts: Sequence[str]) -> list[EncodedQuery]:
        """Encode ``texts``, in order.

        A query's numbers do not depend on the others: see `pyserini_dupmae.modeling.query_batches`.

        Raises:
            UserError: the model gives NaN or infinity for a query.
        """
        found = {text: self._memory[text] for text in texts if text in self._memory}
        new = [text for text in dict.fromkeys(texts) if text not in found]
        for text, query in zip(new, self._encode(new), strict=True):
            found[text] = self._memory[text] = query
        while len(self._memory) > REMEMBERED_QUERIES:
            self._memory.popitem(last=False)
        return [found[text] for text in texts]

    def _encode(self, texts: list[str]) -> list[EncodedQuery]:
        if not texts:
            return []
        tokens = self.model.tokenizer(texts, max_length=self.query_max_length, truncation=True)["input_ids"]
        encoded: dict[int, EncodedQuery] = {}
        for batch in self._batches.represent(tokens):
            finite = (batch.cls.isfinite().all(dim=1) & batch.mu.isfinite().all(dim=1)).tolist()
            weights = (batch.mu.clamp_min(0) * self._has_a_known_token(batch.ids)).cpu().numpy()
            words = self._whole_words(batch.ids)
            for row, number in enumerate(batch.numbers):
                if not finite[row]:
                    raise self._not_finite(texts[number])
                token_ids = np.flatnonzero(weights[row])
                query = EncodedQuery(batch.cls[row].cpu().numpy(), token_ids, weights[row][token_ids], words[row])
                encoded[number] = query if self.query_top_k is None else query.largest(self.query_top_k)
        queries = [encoded[number] for number in range(len(texts))]
        self._warn(texts, queries)
        return queries

    def _has_a_known_token(self, ids: Tensor) -> Tensor:
        """Which of the queries ``ids`` (B, L) have an ordinary token other than [UNK]: (B, 1) bool."""
        unknown = self.model.tokenizer.unk_token_id
        known = self.model.ordinary_tokens(ids, ids.new_ones(ids.shape)) & (ids != (-1 if unknown is None else unknown))
        return known.any(dim=1, keepdim=True)

    def _whole_words(self, ids: Tensor) -> list[dict[int, str]]:
        """Of each of the queries ``ids`` (B, L) the words that the tokenizer splits, by their entries."""
        own = self.model.own_words
        if own is None:
            return [{}] * len(ids)
        return own.whole.spelled(ids, self.model.ordinary_tokens(ids, ids.new_ones(ids.shape)), self.model.tokenizer)

    def _not_finite(self, text: str) -> UserError:
        in_full = self.dtype == "float32"
        return UserError(
            f"the model gave NaN or infinity for the query {text!r}; "
            f"{'its weights are damaged' if in_full else 'encode in float32'}"
        )

    def _warn(self, texts: list[str], queries: list[EncodedQuery]) -> None:
        """Say, of the first such query, that it has very many terms."""
        for text, query in zip(texts, queries, strict=True):
            if len(query.token_ids) > MANY_TERMS and not self._warned:
                self._warned = True
                logger.warning(
                    "the query %r has %d terms, more than %d, which makes a search slow; an untrained head gives so "
                    "many: see init --calibrate, or keep the largest with query_top_k",
                    text,
                    len(query.token_ids),
                    MANY_TERMS,
                )

    @cached_property
    def _batches(self) -> QueryBatches:
        from pyserini_dupmae.modeling.query_batches import QueryBatches

        return QueryBatches(self.model)

    @property
    def dtype(self) -> str:
        """What the model computes in: ``float32``, ``bfloat16`` or ``float16``."""
        return str(self.model.dtype).removeprefix("torch.")


@lru_cache(maxsize=4)
def _load(name: str, device: str, dtype: str, query_top_k: int | None, query_max_length: int | None) -> QueryModel:
    return QueryModel(_load_model(name, device, dtype), query_top_k, query_max_length)


@lru_cache(maxsize=4)
def _load_model(name: str, device: str, dtype: str) -> LoadedModel:
    from pyserini_dupmae.modeling.loading import load_model

    return load_model(name, device, dtype)
