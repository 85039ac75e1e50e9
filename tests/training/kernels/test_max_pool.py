import pytest
import torch

from pyserini_dupmae.modeling import vocabulary
from pyserini_dupmae.modeling.equations import max_pool
from pyserini_dupmae.training.kernels import vocabulary_max_pool


def _inputs(dtype: torch.dtype = torch.float64) -> tuple:
    torch.manual_seed(0)
    hidden = torch.randn(3, 6, 8, dtype=dtype, requires_grad=True)
    weight = torch.randn(50, 8, dtype=dtype, requires_grad=True)
    bias = torch.randn(50, dtype=dtype, requires_grad=True)
    ordinary = torch.tensor([[0, 1, 1, 1, 1, 0], [0, 1, 0, 1, 0, 0], [0, 0, 1, 0, 0, 0]], dtype=torch.bool)
    return hidden, ordinary, weight, bias


@pytest.mark.parametrize("entries", ["all", "few"])
@pytest.mark.parametrize("with_bias", [True, False])
def test_equals_pooling_all_logits(with_bias: bool, entries: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vocabulary, "CPU_BLOCK_LOGITS_WITH_GRADIENT", 7 * 9)  # blocks of nine entries
    hidden, ordinary, weight, bias = _inputs()
    bias = bias if with_bias else None
    inputs = [tensor for tensor in (hidden, weight, bias) if tensor is not None]
    upstream = torch.randn(3, 50, dtype=torch.float64)
    if entries == "few":  # as a loss over the top k gives
        upstream *= torch.rand(3, 50) < 0.1
    expected = max_pool(torch.nn.functional.linear(hidden, weight, bias), ordinary)
    actual = vocabulary_max_pool(hidden, ordinary, weight, bias)
    torch.testing.assert_close(actual, expected)
    plain = torch.autograd.grad((expected * upstream).sum(), inputs)
    mine = torch.autograd.grad((actual * upstream).sum(), inputs)
    for one, other in zip(mine, plain, strict=True):
        torch.testing.assert_close(one, other)


def test_a_text_without_ordinary_tokens_is_minus_infinity_and_has_no_gradient() -> None:
    hidden, ordinary, weight, bias = _inputs()
    ordinary[1] = False
    mu = vocabulary_max_pool(hidden, ordinary, weight, bias)
    assert torch.isneginf(mu[1]).all()
    mu[[0, 2]].sum().backward()
    assert not hidden.grad[1].any()
    assert torch.isfinite(weight.grad).all()


def test_a_tie_goes_to_one_token() -> None:
    hidden = torch.ones(1, 3, 2, requires_grad=True)
    vocabulary_max_pool(hidden, torch.ones(1, 3, dtype=torch.bool), torch.eye(2), None).sum().backward()
    assert hidden.grad.sum(dim=1).tolist() == [[1.0, 1.0]]


def test_autocast_pools_in_bfloat16() -> None:
    hidden, ordinary, weight, bias = _inputs(torch.float32)
    expected = max_pool(torch.nn.functional.linear(hidden, weight, bias), ordinary)
    with torch.autocast("cpu", torch.bfloat16):
        actual = vocabulary_max_pool(hidden, ordinary, weight, bias)
    torch.testing.assert_close(actual, expected, rtol=2e-2, atol=5e-2)
    actual.sum().backward()
    assert weight.grad.dtype == torch.float32
