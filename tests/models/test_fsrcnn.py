"""FSRCNN with weights that say what must come out, and its start."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from srlab.models.fsrcnn import FSRCNN


def convolutions(net: FSRCNN) -> list[nn.Conv2d]:
    return [layer for layer in net.body if isinstance(layer, nn.Conv2d)]


def passing(scale: int) -> FSRCNN:
    """A network whose features' first channel is the image itself, in float64."""
    net = FSRCNN(scale, d=3, s=2, m=1).double()
    for layer in convolutions(net):
        nn.init.dirac_(layer.weight)
    return net


def deconvolved(image: np.ndarray, kernel: np.ndarray, scale: int) -> np.ndarray:
    """The sum of `kernel` (9, 9), laid around scale * (row, column) and weighted by each pixel of `image` (h, w)."""
    height, width = (scale * side for side in image.shape)
    result = np.zeros((height + 16, width + 16))
    for (row, column), value in np.ndenumerate(image):
        result[scale * row + 4 : scale * row + 13, scale * column + 4 : scale * column + 13] += value * kernel
    return result[8:-8, 8:-8]


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
def test_an_lr_pixel_spreads_the_kernel_around_its_place(scale: int) -> None:
    net, kernel = passing(scale), np.random.default_rng(0).random((9, 9))
    net.enlarge.weight.data = torch.zeros_like(net.enlarge.weight)
    net.enlarge.weight.data[0, 0] = torch.from_numpy(kernel)
    lr = torch.zeros(1, 1, 9, 8, dtype=torch.float64)
    lr[0, 0, 3:6, 3:5] = torch.rand(3, 2, dtype=torch.float64)
    expected = deconvolved(lr[0, 0].numpy(), kernel, scale)
    assert np.abs(net(lr)[0, 0].detach().numpy() - expected).max() < 1e-12  # float64 sums of at most 25 terms below 1


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_a_constant_image_is_as_bright_at_the_border_as_inside(scale: int) -> None:
    torch.manual_seed(0)
    net = FSRCNN(scale, d=3, s=2, m=1).double()
    sr = net(torch.full((1, 1, 12, 12), 0.7, dtype=torch.float64))[0, 0]
    middle = 6 * scale
    block = sr[middle : middle + scale, middle : middle + scale]
    # every LR pixel sees the same image, so every block is the same one; float64 sums of some 30 terms
    assert (sr - block.repeat(12, 12)).abs().max() < 1e-12


def test_the_start_is_he_s_for_prelus_and_a_narrow_gaussian() -> None:
    torch.manual_seed(0)
    net = FSRCNN(4, d=560, s=120, m=2)  # ten times as wide as published: enough draws for a narrow tolerance
    for layer in convolutions(net):
        fan_in = layer.weight[0].numel()
        expected = math.sqrt(2 / ((1 + 0.25**2) * fan_in))  # He et al. 2015, eq. 15
        assert layer.weight.std().item() == pytest.approx(expected, rel=0.02)  # of 14,000 or more draws: 3 errors
    assert net.enlarge.weight.std().item() == pytest.approx(1e-3, rel=0.02)  # of 45,360 draws: 6 errors
    biases = [layer.bias for layer in (*convolutions(net), net.enlarge)]
    assert not any(bias is not None and bias.any() for bias in biases)
    assert {layer.weight.item() for layer in net.body if isinstance(layer, nn.PReLU)} == {0.25}


def test_the_deconvolution_learns_at_a_tenth_of_the_rate() -> None:
    net = FSRCNN(4, d=56, s=12, m=4)
    fast, slow = net.parameter_groups(1e-3)
    assert (fast["lr"], slow["lr"]) == pytest.approx((1e-3, 1e-4))  # Dong et al. 2016, sec. 4.1

    def ids(tensors: list[Tensor]) -> set[int]:
        return {id(tensor) for tensor in tensors}

    assert ids(slow["params"]) == ids(list(net.enlarge.parameters()))
    assert ids(fast["params"]) | ids(slow["params"]) == ids(list(net.parameters()))
    assert not ids(fast["params"]) & ids(slow["params"])
