"""SRCNN with weights that say what must come out."""

import pytest
import torch
from torch import nn

from srlab.errors import SrlabError
from srlab.images.resample import imresize
from srlab.models.srcnn import SRCNN


def convolutions(net: SRCNN) -> list[nn.Conv2d]:
    return [layer for layer in net.body if isinstance(layer, nn.Conv2d)]


@pytest.mark.parametrize("kernels", ["9-1-5", "9-5-5"])
def test_delta_kernels_give_bicubic_up_to_the_border(kernels: str) -> None:
    net = SRCNN(3, kernels, "paper").double()
    for layer in convolutions(net):
        nn.init.zeros_(layer.weight)
        middle = layer.kernel_size[0] // 2
        layer.weight.data[0, 0, middle, middle] = 1
    lr = torch.rand(1, 1, 6, 5, dtype=torch.float64) * 0.4 + 0.3  # bicubic stays positive: ReLU lets it pass
    assert torch.equal(net(lr), imresize(lr, scale=3))


def test_the_border_pixel_is_repeated_outwards() -> None:
    net = SRCNN(2, "9-1-5", "paper").double()
    for layer in convolutions(net):
        nn.init.zeros_(layer.weight)
        middle = layer.kernel_size[0] // 2
        layer.weight.data[0, 0, middle, middle] = 1
    first = convolutions(net)[0].weight.data
    first[0, 0, 4, 4], first[0, 0, 4, 0] = 0, 1  # looks four pixels to the left
    lr = torch.rand(1, 1, 6, 5, dtype=torch.float64) * 0.4 + 0.3
    bicubic = imresize(lr, scale=2)
    expected = torch.cat([bicubic[..., :1].expand(-1, -1, -1, 4), bicubic[..., :-4]], dim=-1)
    assert torch.equal(net(lr), expected)


def test_the_published_start_is_gaussian_of_a_thousandth_without_biases() -> None:
    torch.manual_seed(0)
    layers = convolutions(SRCNN(4, "9-5-5", "paper"))
    # 57,184 draws: the deviation's own standard error is 0.3 %, so 1.5 % is 5 of them
    assert torch.cat([layer.weight.flatten() for layer in layers]).std().item() == pytest.approx(1e-3, rel=0.015)
    assert not any(layer.bias is not None and layer.bias.any() for layer in layers)


def test_default_start_is_pytorchs() -> None:
    torch.manual_seed(0)
    net = SRCNN(4, "9-1-5", "default")
    torch.manual_seed(0)
    assert torch.equal(convolutions(net)[0].weight, nn.Conv2d(1, 64, 9).weight)


def test_interpolation_inside_is_not_rounded_by_autocast() -> None:
    net = SRCNN(2, "9-1-5", "default")
    seen: list[torch.Tensor] = []
    net.body.register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    lr = torch.rand(1, 1, 8, 8)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        net(lr)
    assert torch.equal(seen[0], imresize(lr, scale=2))


@pytest.mark.parametrize(("kernels", "init", "cure"), [("9-3-7", "paper", "9-1-5, 9-5-5"), ("9-1-5", "he", "paper or")])
def test_unknown_choices_are_refused(kernels: str, init: str, cure: str) -> None:
    with pytest.raises(SrlabError, match=cure):
        SRCNN(4, kernels, init)
