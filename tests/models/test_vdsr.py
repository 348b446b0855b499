"""VDSR: what its residual is added to, its start and its loss."""

import math

import pytest
import torch
from torch import nn

from srlab.images.resample import imresize
from srlab.models.vdsr import VDSR


def convolutions(net: VDSR) -> list[nn.Conv2d]:
    return [layer for layer in net.body if isinstance(layer, nn.Conv2d)]


def test_the_published_depth_is_of_weight_layers() -> None:
    net = VDSR(4, num_layers=20, num_features=64)
    assert len(convolutions(net)) == 20
    assert sum(isinstance(layer, nn.ReLU) for layer in net.body) == 19


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
def test_without_a_residual_the_output_is_bicubic(scale: int) -> None:
    net = VDSR(scale, num_layers=3, num_features=4)
    nn.init.zeros_(convolutions(net)[-1].weight)
    lr = torch.rand(2, 1, 6, 5)
    assert torch.equal(net(lr), imresize(lr, scale=scale))


def test_the_residual_is_what_the_layers_make_of_the_bicubic() -> None:
    net = VDSR(3, num_layers=2, num_features=1).double()
    first, last = convolutions(net)
    nn.init.dirac_(first.weight)
    nn.init.dirac_(last.weight)
    last.weight.data *= 0.5
    lr = torch.rand(1, 1, 6, 5, dtype=torch.float64) * 0.4 + 0.3  # bicubic stays positive: the ReLU lets it pass
    assert torch.allclose(net(lr), 1.5 * imresize(lr, scale=3), rtol=0, atol=1e-14)  # float64, values below 1.5


def test_the_start_is_he_s() -> None:
    torch.manual_seed(0)
    net = VDSR(4, num_layers=4, num_features=64)
    for layer in convolutions(net)[1:3]:
        # He et al. 2015, eq. 10: sqrt(2 / (9 * 64)); of 36,864 draws: 5 standard errors
        assert layer.weight.std().item() == pytest.approx(math.sqrt(2 / 576), rel=0.02)
    assert not any(layer.bias is not None and layer.bias.any() for layer in convolutions(net))


def test_the_training_loss_is_half_the_squared_distance_per_patch() -> None:
    torch.manual_seed(0)
    net = VDSR(2, num_layers=3, num_features=4)
    lr, hr = torch.rand(3, 1, 4, 5), torch.rand(3, 1, 8, 10)
    residual = hr.double() - imresize(lr, scale=2).double()
    estimate = net.body(imresize(lr, scale=2)).double()
    expected = sum(0.5 * (r - f).square().sum().item() for r, f in zip(residual, estimate, strict=True)) / 3
    assert net.training_loss(lr, hr, epoch=7).item() == pytest.approx(expected, rel=1e-5)  # float32 sums
