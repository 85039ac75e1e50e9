"""From a training set to batches: each query's group is drawn anew in each epoch, and tokenised."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.utils.data import Dataset

from pyserini_dupmae.modeling.model import DupMAEModel
from pyserini_dupmae.training.data import CombinedTrainingSet, EpochSampling
from pyserini_dupmae.training.finetune.model import Texts


class Group(NamedTuple):
    """One query with the documents drawn for it.

    ``query`` its number; ``rows`` (G,) the documents', the positive first; ``scores`` (G,) the teacher's, if there are
    any.
    """

    query: int
    text: str
    rows: np.ndarray
    documents: list[str]
    scores: np.ndarray | None


class Groups(Dataset):
    """The queries of a training set. Key ``epoch * len + index`` is query ``index`` with what it draws in ``epoch``."""

    def __init__(self, data: CombinedTrainingSet, sampling: EpochSampling):
        self.data, self.sampling = data, sampling

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, key: int) -> Group:
        epoch, index = divmod(key, len(self))
        draw = self.sampling.draw(index, epoch)
        rows = np.array([draw.positive, *draw.negatives])
        return Group(index, self.data.query(index), rows, self.data.texts(rows), draw.scores)

    def other_positives(self, queries: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Which of a batch's documents ``rows`` (D,) are relevant to each of ``queries`` (Q,), (Q, D) bool.

        Documents lie query by query; a query's own positive, the first of its group, is not marked.
        """
        found = np.stack([self.data.is_positive(query, rows) for query in queries])
        own = np.arange(len(queries))
        found[own, own * (len(rows) // len(queries))] = False
        return found


class Tokeniser:
    """Texts to tensors, cut to the lengths of the model's configuration, as queries and documents are encoded."""

    def __init__(self, model: DupMAEModel):
        self.tokenizer = model.tokenizer
        self.lengths = {True: model.config.query_max_length, False: model.config.doc_max_length}

    def __call__(self, texts: list[str], queries: bool) -> Texts:
        options = {"truncation": True, "padding": True, "return_tensors": "pt"}
        batch = self.tokenizer(texts, max_length=self.lengths[queries], **options)
        return {name: batch[name] for name in ("input_ids", "attention_mask")}


@dataclass
class GroupCollator:
    """A batch of `Group`s as tensors.

    A call gives ``queries`` (Q, L) and ``documents`` (Q x G, L) as `Texts`, ``query`` (Q,) and ``rows`` (Q x G,)
    int64, ``scores`` (Q, G) where there are any, and ``texts``, queries first, when ``with_texts``.
    """

    tokenise: Tokeniser
    with_texts: bool = False

    def __call__(self, groups: list[Group]) -> dict[str, Any]:
        queries = [group.text for group in groups]
        documents = [document for group in groups for document in group.documents]
        batch: dict[str, Any] = {
            "queries": self.tokenise(queries, True),
            "documents": self.tokenise(documents, False),
            "query": torch.tensor([group.query for group in groups]),
            "rows": torch.from_numpy(np.concatenate([group.rows for group in groups])),
        }
        scores = [group.scores for group in groups if group.scores is not None]
        if scores:
            batch["scores"] = torch.from_numpy(np.stack(scores))
        if self.with_texts:
            batch["texts"] = queries + documents
        return batch
