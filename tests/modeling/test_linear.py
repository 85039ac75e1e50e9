"""The fast matrix products against PyTorch's own."""

import pytest
import torch

from pyserini_dupmae.modeling.linear import FastLinear, linear


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("shape", [(3, 32), (2, 5, 32), (1, 1, 32)])
@pytest.mark.parametrize("with_bias", [True, False])
def test_linear(dtype, shape, with_bias):
    generator = torch.Generator().manual_seed(0)
    x, weight, bias = (torch.randn(*size, generator=generator).to(dtype) for size in (shape, (48, 32), (48,)))
    expected = x.double() @ weight.double().T + (bias.double() if with_bias else 0)
    with torch.inference_mode():
        got = linear(x, weight, bias if with_bias else None)
    assert got.dtype == dtype
    assert got.shape == (*shape[:-1], 48)
    torch.testing.assert_close(got.double(), expected, rtol=0, atol=0.1 if dtype == torch.bfloat16 else 1e-4)


def test_every_linear_layer_in_the_context_is_fast_and_none_outside_it():
    layer, x = torch.nn.Linear(8, 4), torch.randn(2, 8)
    with torch.inference_mode(), FastLinear():
        inside = layer(x)
    torch.testing.assert_close(inside, layer(x).detach())
    assert layer(x).requires_grad


@pytest.mark.parametrize("needed", [("x", "weight", "bias"), ("weight",), ("x",), ("bias",)])
def test_gradients_are_those_of_the_plain_product(needed):
    generator = torch.Generator().manual_seed(1)
    shapes = {"x": (2, 5, 32), "weight": (48, 32), "bias": (48,)}
    values = {name: torch.randn(*shape, generator=generator) for name, shape in shapes.items()}
    upstream = torch.randn(2, 5, 48, generator=generator)
    found = {name: value.clone().requires_grad_(name in needed) for name, value in values.items()}
    (linear(**found) * upstream).sum().backward()
    expected = {name: value.double().requires_grad_(name in needed) for name, value in values.items()}
    ((expected["x"] @ expected["weight"].T + expected["bias"]) * upstream).sum().backward()
    for name in shapes:
        if name in needed:
            torch.testing.assert_close(found[name].grad.double(), expected[name].grad, rtol=1e-4, atol=1e-4)
        else:
            assert found[name].grad is None
