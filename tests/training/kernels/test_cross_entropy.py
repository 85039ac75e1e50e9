import pytest
import torch
import torch.nn.functional as F

from pyserini_dupmae.modeling import vocabulary
from pyserini_dupmae.training.kernels import linear_cross_entropy


def _inputs(rows: int, with_bias: bool, dtype: torch.dtype = torch.float64) -> tuple:
    torch.manual_seed(rows)
    hidden = torch.randn(rows, 16, dtype=dtype, requires_grad=True)
    weight = torch.randn(40, 16, dtype=dtype, requires_grad=True)
    bias = torch.randn(40, dtype=dtype, requires_grad=True) if with_bias else None
    return hidden, weight, bias, torch.randint(0, 40, (rows,))


@pytest.mark.parametrize("with_bias", [True, False])
@pytest.mark.parametrize("rows", [1, 7, 64])
def test_equals_the_plain_version(rows: int, with_bias: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vocabulary, "CPU_BLOCK_LOGITS_WITH_GRADIENT", 40 * 5)  # blocks of five rows
    hidden, weight, bias, labels = _inputs(rows, with_bias)
    inputs = [tensor for tensor in (hidden, weight, bias) if tensor is not None]
    expected = F.cross_entropy(F.linear(hidden, weight, bias), labels, reduction="sum")
    actual = linear_cross_entropy(hidden, weight, bias, labels)
    torch.testing.assert_close(actual, expected)
    for mine, plain in zip(
        torch.autograd.grad(3 * actual, inputs), torch.autograd.grad(3 * expected, inputs), strict=True
    ):
        torch.testing.assert_close(mine, plain)


def test_large_logits_do_not_overflow() -> None:
    hidden, weight, bias, labels = _inputs(8, True, torch.float32)
    expected = F.cross_entropy(F.linear(hidden * 1e3, weight, bias), labels, reduction="sum")
    torch.testing.assert_close(linear_cross_entropy(hidden * 1e3, weight, bias, labels), expected)


def test_no_rows_cost_nothing() -> None:
    hidden, weight, bias, labels = _inputs(4, True)
    loss = linear_cross_entropy(hidden[:0], weight, bias, labels[:0])
    loss.backward()
    assert loss.item() == 0
    assert not weight.grad.any()
    assert not hidden.grad.any()


def test_autocast_computes_products_in_bfloat16_and_returns_gradients_in_float32() -> None:
    hidden, weight, bias, labels = _inputs(64, True, torch.float32)
    expected = F.cross_entropy(F.linear(hidden, weight, bias), labels, reduction="sum")
    plain = torch.autograd.grad(expected, (hidden, weight, bias))
    with torch.autocast("cpu", torch.bfloat16):
        actual = linear_cross_entropy(hidden, weight, bias, labels)
    mine = torch.autograd.grad(actual, (hidden, weight, bias))
    assert actual.dtype == torch.float32
    torch.testing.assert_close(actual, expected, rtol=1e-2, atol=0)
    for one, other in zip(mine, plain, strict=True):
        assert one.dtype == torch.float32
        assert (one - other).norm() < 2e-2 * other.norm()


def test_without_gradients_none_are_made() -> None:
    hidden, weight, bias, labels = _inputs(8, True)
    with torch.no_grad():
        loss = linear_cross_entropy(hidden, weight, bias, labels)
    assert not loss.requires_grad
