"""The losses of the three stages, over scores (Q, D). Each returns the mean over queries."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor


def contrastive(scores: Tensor, positives: Tensor, excluded: Tensor) -> Tensor:
    """Eq. 13 and 14: the cross-entropy of each query's positive among the documents of the batch.

    ``scores`` (Q, D), ``positives`` (Q,) the columns of the positives, ``excluded`` (Q, D) bool: documents that do not
    count for a query, since they are known to be relevant too.
    """
    return F.cross_entropy(scores.masked_fill(excluded, float("-inf")), positives)


def soft_cross_entropy(scores: Tensor, teacher: Tensor) -> Tensor:
    """Eq. 15: the cross-entropy of a query's group under the teacher's softmax.

    ``scores`` and ``teacher`` (Q, G) for the positive and the negatives of each query. The paper prints d+ in the
    numerator of every term; with the document that sigma belongs to in its place, which is taken here, the sum is the
    soft-labelled cross-entropy that the text speaks of.
    """
    return -(teacher.softmax(dim=1) * scores.log_softmax(dim=1)).sum(dim=1).mean()


def kl_divergence(scores: Tensor, teacher: Tensor) -> Tensor:
    """The divergence of the student from the teacher's softmax, averaged over all Q x G entries.

    That is how the authors' code averages: the gradients are those of `soft_cross_entropy` divided by G.
    """
    return F.kl_div(scores.log_softmax(dim=1), teacher.log_softmax(dim=1), reduction="none", log_target=True).mean()


def margin_mse(scores: Tensor, teacher: Tensor) -> Tensor:
    """MarginMSE (Hofstätter et al., arXiv 2010.02666): the squared error of positive minus negative, (Q, G) each."""
    return F.mse_loss(scores[:, :1] - scores[:, 1:], teacher[:, :1] - teacher[:, 1:])


DISTILLATION: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "cross-entropy": soft_cross_entropy,
    "kl": kl_divergence,
    "margin-mse": margin_mse,
}


def list_divergence(scores: Tensor, teacher: Tensor) -> Tensor:
    """The Kullback-Leibler divergence of the student's softmax from the teacher's, (Q, D) each: the mean over queries.

    Its gradients are those of `soft_cross_entropy`; it is 0 where the student has learned all there is.
    """
    return F.kl_div(scores.log_softmax(dim=1), teacher.log_softmax(dim=1), reduction="batchmean", log_target=True)


def excess(weights: Tensor, terms: int) -> Tensor:
    """The mean over texts of the sum of their weights beyond the ``terms`` largest; (B, |V|), none negative.

    It asks nothing of a text that has no more terms, and of another only that the least of them become less.
    """
    if terms >= weights.shape[1]:
        return weights.new_zeros(())
    return (weights.sum(dim=1) - weights.topk(terms, dim=1).values.sum(dim=1)).mean()


def flops(weights: Tensor) -> Tensor:
    """FLOPS (Paria et al., arXiv 2004.05665): the sum over the vocabulary of the squared mean weight; (B, |V|)."""
    return weights.abs().mean(dim=0).square().sum()


def l1(weights: Tensor) -> Tensor:
    """The mean over texts of the sum of their weights; (B, |V|)."""
    return weights.abs().sum(dim=1).mean()


SPARSITY: dict[str, Callable[[Tensor], Tensor]] = {"flops": flops, "l1": l1}


def cosine_distance(cls: Tensor, teacher: Tensor) -> Tensor:
    """The mean over texts of 1 - cos of a text's [CLS] and the teacher's embedding of it, (B, d') each."""
    return (1 - torch.cosine_similarity(cls, teacher, dim=1)).mean()
