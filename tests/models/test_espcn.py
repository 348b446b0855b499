"""ESPCN's layers, against the paper's."""

import torch
from torch import nn
from torch.nn import functional as F

from srlab.models.espcn import ESPCN


def test_it_is_three_convolutions_with_tanh_between_them_and_a_shuffle() -> None:
    """Shi et al. 2016, sec. 3.2: (5, 64), (3, 32), (3, scale^2), eq. 4; pixel (y, x) of channel scale * dy + dx."""
    torch.manual_seed(0)
    net, lr = ESPCN(3), torch.rand(2, 1, 7, 6)
    first, second, last = (layer for layer in net.body if hasattr(layer, "weight"))
    assert [tuple(layer.weight.shape) for layer in (first, second, last)] == [
        (64, 1, 5, 5),
        (32, 64, 3, 3),
        (9, 32, 3, 3),
    ]
    x = torch.tanh(F.conv2d(lr - 0.5, first.weight, first.bias, padding=2))
    x = torch.tanh(F.conv2d(x, second.weight, second.bias, padding=1))
    x = F.conv2d(x, last.weight, last.bias, padding=1)
    sr = net(lr)
    for dy in range(3):
        for dx in range(3):
            torch.testing.assert_close(sr[:, 0, dy::3, dx::3], x[:, 3 * dy + dx] + 0.5)


def test_it_starts_where_tanh_is_curved() -> None:
    """What goes into both tanh is of the order of 1: PyTorch's own start has 0.2 and 0.1, where tanh is a line."""
    torch.manual_seed(0)
    net, found = ESPCN(4), []
    for layer in net.body:
        if isinstance(layer, nn.Tanh):
            layer.register_forward_hook(lambda _, seen, __: found.append(seen[0].square().mean().sqrt().item()))
    net(torch.rand(1, 1, 24, 24))
    assert len(found) == 2
    assert all(0.4 < one < 1.5 for one in found), found
