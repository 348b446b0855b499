"""What a regression minimizes, against numpy in double precision, also where the network runs in 16 bit."""

import contextlib
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from srlab.errors import SrlabError
from srlab.models.base.network import Network
from srlab.models.drcn import DRCN
from srlab.models.espcn import ESPCN
from srlab.models.vdsr import VDSR
from srlab.training.pixel_losses import Loss, OwnLoss, PixelLoss

EPSILON = 1e-3
weights = st.sampled_from([0.0, 0.3, 1.0, 2.5])


class Shown(Network):
    """Shows what it holds, whatever the input: an SR image to measure."""

    def __init__(self, sr: Tensor) -> None:
        super().__init__(scale=1, channels=sr.shape[1])
        self.sr = nn.Parameter(sr)

    def forward(self, lr: Tensor) -> Tensor:
        return self.sr * 1


def images(channels: int = 1) -> tuple[Tensor, Tensor]:
    """LR (2, channels, 6, 5) and HR (2, channels, 12, 10) in [0, 1]."""
    generator = torch.Generator().manual_seed(0)
    return (torch.rand(2, channels, 6, 5, generator=generator), torch.rand(2, channels, 12, 10, generator=generator))


def by_hand(sr: Tensor, hr: Tensor, mse: float, l1: float, charbonnier: float) -> float:
    x = sr.detach().double().numpy() - hr.double().numpy()
    return float((mse * x**2 + l1 * np.abs(x) + charbonnier * np.sqrt(x**2 + EPSILON**2)).mean())


@given(weights, weights, weights.filter(bool), st.sampled_from([1e-4, 1e-2, 1.0]))
def test_a_pixel_loss_is_the_weighted_sum_of_its_terms(mse: float, l1: float, charbonnier: float, size: float) -> None:
    lr, hr = images()
    sr = hr + size * (torch.rand(hr.shape, generator=torch.Generator().manual_seed(1)) - 0.5)
    loss = PixelLoss(mse, l1, charbonnier, EPSILON)(Shown(sr), lr, hr, 0)
    assert loss.shape == ()
    assert loss.item() == pytest.approx(by_hand(sr, hr, mse, l1, charbonnier), rel=1e-5)  # float32 against float64


@pytest.mark.parametrize("terms", [(1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)])
def test_a_perfect_image_has_a_gradient_of_zero(terms: tuple[float, float, float]) -> None:
    lr, hr = images()
    net = Shown(hr.clone())
    PixelLoss(*terms, EPSILON)(net, lr, hr, 0).backward()
    assert net.sr.grad is not None
    assert torch.equal(net.sr.grad, torch.zeros_like(hr))


def test_a_network_s_own_loss_is_asked_with_the_epoch() -> None:
    net: Any = SimpleNamespace(training_loss=lambda lr, hr, epoch: (lr, hr, epoch))
    assert OwnLoss()(net, *images(), 4)[2] == 4


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        ((0.0, 0.0, 0.0, EPSILON), "has no minimum to learn from: set one weight above 0"),
        ((-1.0, 2.0, 0.0, EPSILON), "has no minimum to learn from: set one weight above 0"),
        ((0.0, 0.0, 1.0, 0), "cannot have the epsilon 0: set one above 0"),
    ],
)
def test_a_loss_without_a_minimum_or_a_gradient_is_refused(terms: tuple[float, ...], message: str) -> None:
    with pytest.raises(SrlabError, match=message):
        PixelLoss(*terms)  # pyright: ignore[reportCallIssue]


NETWORKS = {
    "espcn": lambda: ESPCN(2),
    "vdsr": lambda: VDSR(2, num_layers=3, num_features=4),
    "drcn": lambda: DRCN(2, num_recursions=2, num_features=4, alpha_epochs=4),
}


@pytest.mark.parametrize("everything", [False, True], ids=["autocast", "bfloat16"])
@pytest.mark.parametrize("loss", [OwnLoss(), PixelLoss(1.0, 1.0, 1.0, EPSILON)], ids=["own", "pixels"])
@pytest.mark.parametrize("name", NETWORKS)
def test_the_loss_is_computed_in_float32(name: str, loss: Loss, everything: bool) -> None:
    """From what the network gave in 16 bit; with weights and images in 16 bit, too, nothing else would ask for more."""
    torch.manual_seed(0)
    net = NETWORKS[name]()
    lr, hr = images(net.channels)
    seen: list[Tensor] = []
    (net if name != "drcn" else net.reconstruction).register_forward_hook(lambda module, args, out: seen.append(out))
    if everything:
        net, lr, hr = net.bfloat16(), lr.bfloat16(), hr.bfloat16()
    with contextlib.nullcontext() if everything else torch.autocast("cpu", torch.bfloat16):
        found = loss(net, lr, hr, 0)
    assert found.dtype == torch.float32
    if name != "drcn":  # whose loss has more to it than its output: see its own tests
        expected = by_hand(seen[0], hr, *((1.0, 1.0, 1.0) if isinstance(loss, PixelLoss) else (1.0, 0.0, 0.0)))
        if name == "vdsr" and isinstance(loss, OwnLoss):
            expected *= 0.5 * 120  # values of a patch
        assert found.item() == pytest.approx(expected, rel=1e-5)  # float32; 16 bit are off by up to 4e-3
    elif not everything:
        assert seen[0].dtype == torch.bfloat16  # the network did run in 16 bit
