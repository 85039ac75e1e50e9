"""Searching a small dev set during training: MRR@10 and nDCG@10 of [CLS], bag of words and their sum."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor

from pyserini_dupmae.evaluation import Run, mean, measure
from pyserini_dupmae.modeling.equations import sparsify
from pyserini_dupmae.training.data import TrainingSet
from pyserini_dupmae.training.finetune.model import FinetuneModel, Represented, Texts
from pyserini_dupmae.training.finetune.objective import score

METRICS = {"mrr@10": "RR@10", "ndcg@10": "nDCG@10"}
MODES = {"cls": "cls", "ot": "ot", "hybrid": "sum"}
"""What is ranked by, and its name in `Scores`."""
HITS = 10
TEXTS_A_BATCH = 64

Hits = dict[str, dict[str, dict[str, float]]]
"""Mode -> query id -> docid -> score."""


@dataclass
class DevSet:
    """Queries, the documents they are searched among, and who is relevant to whom."""

    query_ids: list[str]
    queries: list[str]
    docids: list[str]
    documents: list[str]
    qrels: dict[str, dict[str, int]]

    @classmethod
    def sample(cls, source: TrainingSet, queries: int, documents: int, seed: int) -> DevSet:
        """``queries`` random queries of ``source``; their relevant documents and others, ``documents`` in all."""
        generator = np.random.default_rng(seed)
        chosen = np.sort(generator.permutation(len(source.queries))[:queries])
        relevant = np.unique(np.concatenate([source.positives[query] for query in chosen]))
        others = np.setdiff1d(generator.permutation(len(source.documents))[:documents], relevant)
        rows = np.concatenate([relevant, others[: max(0, documents - len(relevant))]])
        qrels = {
            source.query_ids[query]: {
                source.documents.docid(row): int(grade)
                for row, grade in zip(source.positives[query], source.relevance[query], strict=True)
            }
            for query in chosen
        }
        return cls(
            list(qrels),
            [source.queries[query] for query in chosen],
            [source.documents.docid(row) for row in rows],
            source.documents.texts(rows),
            qrels,
        )

    def evaluate(self, model: FinetuneModel, tokenise: Callable[[list[str], bool], Texts]) -> dict[str, float]:
        """``{mode}_{metric}`` for each of `MODES` and `METRICS`; the documents are divided among processes.

        ``tokenise`` takes texts and whether they are queries, and gives tensors on the model's device.
        """
        rank, processes = (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)
        found = self._search(model, tokenise, range(rank, len(self.documents), processes))
        everywhere: list[Any] = [found]
        if processes > 1:
            everywhere = [None] * processes
            dist.all_gather_object(everywhere, found)
        metrics: dict[str, float] = {}
        for mode in MODES:
            joined = {
                query: {d: s for part in everywhere for d, s in part[mode][query].items()} for query in self.qrels
            }
            values = measure(Run(joined), self.qrels, tuple(METRICS.values()))
            metrics |= {f"{mode}_{name}": mean(values[metric]) for name, metric in METRICS.items()}
        return metrics

    @torch.inference_mode()
    def _search(self, model: FinetuneModel, tokenise: Callable[[list[str], bool], Texts], rows: range) -> Hits:
        """The best `HITS` documents among ``rows`` for each query, which are all that the metrics look at.

        Scores are in float32 also where the model runs in a shorter type, in which many would tie.
        """
        cls, mu = (torch.cat(part) for part in zip(*self._represent(model, tokenise, self.queries, True), strict=True))
        hits: Hits = {mode: {query: {} for query in self.query_ids} for mode in MODES}
        longest_first = sorted(rows, key=lambda row: -len(self.documents[row]))
        batches = self._represent(model, tokenise, [self.documents[row] for row in longest_first], False)
        for number, (doc_cls, doc_mu) in enumerate(batches):
            with torch.autocast(cls.device.type, enabled=False):
                scores = score(Represented(cls, mu, doc_cls, *sparsify(doc_mu, model.config.top_k)))
            batch = longest_first[number * TEXTS_A_BATCH :]
            for mode, name in MODES.items():
                self._keep_best(hits[mode], getattr(scores, name), batch)
        return hits

    def _keep_best(self, hits: dict[str, dict[str, float]], scores: Tensor, rows: list[int]) -> None:
        best = scores.topk(min(HITS, scores.shape[1]), dim=1)
        for query, values, columns in zip(self.query_ids, best.values.tolist(), best.indices.tolist(), strict=True):
            both = hits[query] | {self.docids[rows[c]]: v for c, v in zip(columns, values, strict=True)}
            hits[query] = dict(sorted(both.items(), key=lambda hit: hit[1], reverse=True)[:HITS])

    @staticmethod
    def _represent(
        model: FinetuneModel, tokenise: Callable[[list[str], bool], Texts], texts: list[str], queries: bool
    ) -> Iterator[tuple[Tensor, Tensor]]:
        represent = model.represent_queries if queries else model.represent
        for start in range(0, len(texts), TEXTS_A_BATCH):
            yield represent(tokenise(texts[start : start + TEXTS_A_BATCH], queries))
