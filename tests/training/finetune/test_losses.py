"""Each loss against the same written with loops over scalars, values and gradients."""

from __future__ import annotations

import pytest
import torch

from pyserini_dupmae.training.finetune import losses

from . import naive

QUERIES, GROUP = 3, 4


def _scores(*shape: int) -> torch.Tensor:
    return (2 * torch.randn(*shape, dtype=torch.float64)).requires_grad_()


def _assert_same(found: torch.Tensor, expected: torch.Tensor, leaf: torch.Tensor) -> None:
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(torch.autograd.grad(found, leaf), torch.autograd.grad(expected, leaf))


@pytest.mark.parametrize("group", [1, GROUP], ids=["eq13", "eq14"])
@pytest.mark.parametrize("share", [0.0, 0.3])
def test_contrastive(group: int, share: float) -> None:
    torch.manual_seed(0)
    scores = _scores(QUERIES, QUERIES * group)
    positives = torch.arange(QUERIES) * group
    excluded = torch.rand(scores.shape) < share
    excluded[torch.arange(QUERIES), positives] = False
    found = losses.contrastive(scores, positives, excluded)
    _assert_same(found, naive.contrastive(scores, group, excluded), scores)
    (gradient,) = torch.autograd.grad(losses.contrastive(scores, positives, excluded), scores)
    assert not gradient[excluded].any()


@pytest.mark.parametrize("name", losses.DISTILLATION)
def test_distillation(name: str) -> None:
    torch.manual_seed(0)
    scores, teacher = _scores(QUERIES, GROUP), _scores(QUERIES, GROUP).detach()
    written = {"cross-entropy": naive.soft_cross_entropy, "kl": naive.kl, "margin-mse": naive.margin_mse}[name]
    _assert_same(losses.DISTILLATION[name](scores, teacher), written(scores, teacher), scores)


def test_kl_has_the_gradient_of_the_cross_entropy_over_the_size_of_a_group() -> None:
    torch.manual_seed(0)
    scores, teacher = _scores(QUERIES, GROUP), _scores(QUERIES, GROUP).detach()
    (kl,) = torch.autograd.grad(losses.kl_divergence(scores, teacher), scores)
    (cross_entropy,) = torch.autograd.grad(losses.soft_cross_entropy(scores, teacher), scores)
    torch.testing.assert_close(kl * GROUP, cross_entropy)


@pytest.mark.parametrize("name", losses.SPARSITY)
def test_sparsity(name: str) -> None:
    torch.manual_seed(0)
    bags = _scores(QUERIES, 9)
    _assert_same(losses.SPARSITY[name](bags), {"flops": naive.flops, "l1": naive.l1}[name](bags), bags)


def test_cosine_distance() -> None:
    torch.manual_seed(0)
    cls, teacher = _scores(QUERIES, 5), _scores(QUERIES, 5).detach()
    _assert_same(losses.cosine_distance(cls, teacher), naive.cosine_distance(cls, teacher), cls)
    assert losses.cosine_distance(cls, 3 * cls).item() == pytest.approx(0)
