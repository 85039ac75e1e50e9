"""Eq. 12-15 and the other parts of the loss written out with loops over scalars, to hold the package's code against."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from pyserini_dupmae.modeling.model import DupMAEModel
from pyserini_dupmae.training.finetune.model import Represented, Texts


def top_terms(mu: Tensor, k: int) -> list[int]:
    """The ids of the k largest entries of one text's mu."""
    return sorted(range(len(mu)), key=lambda term: -mu[term].item())[:k]


def parts_of_eq12(
    query_cls: Tensor, query_mu: Tensor, doc_cls: Tensor, doc_mu: Tensor, k: int
) -> tuple[Tensor, Tensor]:
    """The two inner products of Eq. 12 for each query (rows) and document (columns), from the whole mu of both."""
    kept = [top_terms(mu, k) for mu in doc_mu]
    cls = [[sum(a * b for a, b in zip(q, d, strict=True)) for d in doc_cls] for q in query_cls]
    ot = [
        [sum(mu_q[term] * mu_d[term] for term in terms) for mu_d, terms in zip(doc_mu, kept, strict=True)]
        for mu_q in query_mu
    ]
    return _matrix(cls), _matrix(ot)


def contrastive(scores: Tensor, group: int, excluded: Tensor) -> Tensor:
    """Eq. 13 (groups of one) and Eq. 14: -log of the positive's share, over all documents that count for a query."""
    losses = []
    for query, row in enumerate(scores):
        counted = [score for document, score in enumerate(row) if not excluded[query, document]]
        losses.append(-torch.log(row[query * group].exp() / sum(score.exp() for score in counted)))
    return _mean(losses)


def softmax(scores: Sequence[Tensor]) -> list[Tensor]:
    total = sum(score.exp() for score in scores)
    return [score.exp() / total for score in scores]


def soft_cross_entropy(scores: Tensor, teacher: Tensor) -> Tensor:
    """Eq. 15, of each query's own group."""
    pairs = [(softmax(own), softmax(labels)) for own, labels in zip(scores, teacher, strict=True)]
    return _mean([-sum(t * torch.log(s) for s, t in zip(own, labels, strict=True)) for own, labels in pairs])


def kl(scores: Tensor, teacher: Tensor) -> Tensor:
    """The Kullback-Leibler divergence, its terms averaged over queries and documents."""
    pairs = [(softmax(own), softmax(labels)) for own, labels in zip(scores, teacher, strict=True)]
    return _mean([t * torch.log(t / s) for own, labels in pairs for s, t in zip(own, labels, strict=True)])


def margin_mse(scores: Tensor, teacher: Tensor) -> Tensor:
    errors = []
    for own, labels in zip(scores, teacher, strict=True):
        for document in range(1, len(own)):
            errors.append((own[0] - own[document] - (labels[0] - labels[document])) ** 2)
    return _mean(errors)


def flops(bags: Tensor) -> Tensor:
    return sum((sum(abs(weight) for weight in column) / len(bags)) ** 2 for column in bags.T)


def l1(bags: Tensor) -> Tensor:
    return sum(abs(weight) for bag in bags for weight in bag) / len(bags)


def cosine_distance(cls: Tensor, teacher: Tensor) -> Tensor:
    pairs = zip(cls, teacher, strict=True)
    return _mean([1 - (a * b).sum() / (a.square().sum() * b.square().sum()).sqrt() for a, b in pairs])


def represent(model: DupMAEModel, queries: Texts, documents: Texts) -> Represented:
    """By the model's own definition: the logits of every position, their maximum, the k largest."""
    query, document = model(**queries), model(**documents)
    weights, token_ids = document.mu.topk(model.config.top_k, dim=1)
    return Represented(query.cls, query.mu, document.cls, token_ids, weights)


def _matrix(rows: list[list[Tensor]]) -> Tensor:
    return torch.stack([torch.stack(row) for row in rows])


def _mean(values: list[Tensor]) -> Tensor:
    return sum(values) / len(values)
