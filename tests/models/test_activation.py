"""PReLU against torch's own, of which it is a faster form."""

import pytest
import torch
from torch import nn

from srlab.models.base.activation import PReLU


@pytest.mark.parametrize("slope", [0.25, 0.0, -0.5, 1.5])
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_output_and_gradients_are_those_of_torch(slope: float, memory_format: torch.memory_format) -> None:
    x = torch.randn(2, 3, 8, 9, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    x[0, 0, 0] = 0.0  # where the derivative by x is the slope, by torch's choice
    weights = torch.randn(x.shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    results = []
    for kind in (PReLU, nn.PReLU):
        leaf = x.to(memory_format=memory_format).requires_grad_()
        layer = kind(init=slope).double()
        out = layer(leaf)
        (out * weights).sum().backward()
        results.append((out, leaf.grad, layer.weight.grad))
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)  # float64, in another order


def test_slope_gradient_is_exact_enough_in_bf16() -> None:
    """torch rounds each of 100,000 products to bf16 before it adds them; here they are added in float32."""
    x = torch.randn(100_000, generator=torch.Generator().manual_seed(1))
    exact = x.bfloat16().double().clamp(max=0).sum()
    layer = PReLU()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        layer(x.bfloat16().requires_grad_()).sum().backward()
    assert layer.weight.grad is not None
    assert layer.weight.grad.item() == pytest.approx(exact.item(), rel=1e-4)  # float32 sums of 1e5 terms


def test_weights_are_interchangeable_with_torchs() -> None:
    layer = PReLU()
    layer.load_state_dict(nn.PReLU(init=0.125).state_dict())
    assert layer(torch.tensor([-8.0])).item() == -1.0
