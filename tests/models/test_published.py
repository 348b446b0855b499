"""Sizes, multiply-adds and receptive fields against the papers'.

Multiply-adds follow Ahn et al. 2018 ("CARN", table 2): those of the convolutions for an output of 1280x720 pixels at
x4, one multiply-add per tap; no biases, activations or interpolation. torch counts two operations for each.
"""

from collections.abc import Callable
from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from srlab.models.base.network import Network
from srlab.models.drcn import DRCN
from srlab.models.espcn import ESPCN
from srlab.models.fsrcnn import FSRCNN
from srlab.models.srcnn import SRCNN
from srlab.models.srresnet import SRResNet
from srlab.models.vdsr import VDSR

HEIGHT, WIDTH, SCALE = 720 // 4, 1280 // 4, 4  # of LR


def num_parameters(net: nn.Module) -> int:
    return sum(parameter.numel() for parameter in net.parameters())


def num_filter_weights(net: nn.Module) -> int:
    """Without biases, slopes and other vectors."""
    return sum(parameter.numel() for parameter in net.parameters() if parameter.ndim == 4)


def multiply_adds(module: nn.Module, channels: int) -> float:
    """1e9 multiply-adds of one call; on the meta device, which computes nothing."""
    with FlopCounterMode(display=False) as counter, torch.device("meta"):
        module.to("meta")(torch.empty(1, channels, HEIGHT, WIDTH))
    return counter.get_total_flops() / 2e9


class Published(NamedTuple):
    build: Callable[[], Network]
    num_parameters: int
    multiply_adds: float | None  # 1e9, as printed


PUBLISHED = {
    # Dong et al. 2016 (TPAMI), sec. 4.3.2: 8,032 and 57,184 weights; the 64 + 32 + 1 biases are not in their count
    "srcnn-9-1-5": Published(lambda: SRCNN(SCALE, "9-1-5", "paper"), 8_032 + 97, None),
    "srcnn-9-5-5": Published(lambda: SRCNN(SCALE, "9-5-5", "default"), 57_184 + 97, 52.7),
    # 12,637 in later comparisons, and the slopes of seven PReLUs, one each as in the authors' models
    "fsrcnn": Published(lambda: FSRCNN(SCALE, d=56, s=12, m=4), 12_637 + 7, None),
    # Shi et al. 2016, sec. 3.2: (f, n) = (5, 64), (3, 32), (3, scale^2); not in Ahn et al.: 24,640 weights per LR pixel
    "espcn": Published(lambda: ESPCN(SCALE), 24_752, round(24_640 * HEIGHT * WIDTH / 1e9, 1)),
    "vdsr": Published(lambda: VDSR(SCALE, num_layers=20, num_features=64), 665_921, 612.6),  # "665K"
    # "1,774K" without biases, each filter once; biases and the weights of the recursions
    "drcn": Published(lambda: DRCN(SCALE, 16, 256, alpha_epochs=1), 1_774_080 + 4 * 256 + 1 + 16, 17_974.3),
    # Ledig et al. 2017, Fig. 4 with one PReLU slope per layer, as in later comparisons
    "srresnet": Published(lambda: SRResNet(SCALE, num_blocks=16, num_features=64).eval(), 1_549_462, 127.8),
}


@pytest.mark.parametrize("published", PUBLISHED.values(), ids=PUBLISHED)
def test_size_and_multiply_adds_are_the_published_ones(published: Published) -> None:
    net = published.build()
    assert num_parameters(net) == published.num_parameters
    assert net.variant == ""
    if published.multiply_adds is not None:
        assert round(multiply_adds(net, net.channels), 1) == published.multiply_adds


@pytest.mark.parametrize(
    ("net", "variant"),
    [
        (FSRCNN(2, d=32, s=5, m=1), "d=32, s=5, m=1"),
        (VDSR(2, num_layers=6, num_features=8), "6 layers, 8 channels"),
        (DRCN(2, num_recursions=4, num_features=8, alpha_epochs=1), "4 recursions, 8 channels"),
        (SRResNet(2, num_blocks=2, num_features=8), "2 blocks, 8 channels"),
        (SRResNet(2, num_blocks=1, num_features=1), "1 block, 1 channel"),
    ],
)
def test_another_size_is_named(net: Network, variant: str) -> None:
    assert net.variant == variant


@pytest.mark.parametrize("scale", [2, 3, 8])
def test_sizes_at_other_scales(scale: int) -> None:
    assert num_filter_weights(FSRCNN(scale, d=56, s=12, m=4)) == 12_464  # Dong et al. 2016 (ECCV), table 1
    assert num_parameters(ESPCN(scale)) == 24_752 + (9 * 32 + 1) * (scale**2 - 16)


def test_more_recursions_cost_no_more_weights() -> None:
    few, many = (DRCN(2, num_recursions=number, num_features=8, alpha_epochs=1) for number in (1, 9))
    assert num_filter_weights(few) == num_filter_weights(many)


def test_multiply_adds_of_fsrcnn() -> None:
    net = FSRCNN(SCALE, d=56, s=12, m=4)
    convolutions, deconvolution = multiply_adds(net.body, 1), multiply_adds(net.enlarge, 56)
    assert round(convolutions + deconvolution, 2) == 0.72  # 12,464 weights * 57,600 pixels
    # 4.6 in Ahn et al. 2018: as if its 81 taps met an HR grid, of which 15 in 16 values are zeros that nobody computes
    assert round(convolutions + SCALE**2 * deconvolution, 1) == 4.6
    # one LR pixel more on each side
    assert convolutions + deconvolution < multiply_adds(net, 1) < 1.01 * (convolutions + deconvolution)


# Receptive fields: the pixels that one output pixel depends on.


def positive(net: Network) -> Network:
    """`net` in float64 with weights that let every path through: all positive, so that no ReLU is ever closed."""
    generator = torch.Generator().manual_seed(0)
    for parameter in net.double().parameters():
        parameter.data = torch.rand(parameter.shape, generator=generator, dtype=torch.float64) + 0.1
    return net


def seen(net: Callable[[Tensor], Tensor], size: int, place: int) -> tuple[list[int], list[int]]:
    """Rows and columns of a (size, size) image that the output pixel (place, place) depends on."""
    image = torch.rand(1, 1, size, size, dtype=torch.float64, requires_grad=True)
    net(image)[0, 0, place, place].backward()
    assert image.grad is not None
    moved = image.grad[0, 0].abs()
    return moved.sum(1).nonzero().flatten().tolist(), moved.sum(0).nonzero().flatten().tolist()


# Of one network at scale 1, where the enlargement that it begins with is the identity. SRCNN: Dong et al. 2016 (TPAMI),
# sec. 4.3.2 by their kernels, and Kim et al. 2016, which name 13 for 9-1-5; VDSR and DRCN: 41 in both papers' sec. 1.
# The width of a network has no influence on its field; narrow ones take less time.
FIELDS: dict[str, tuple[Callable[[], Network], int]] = {
    "srcnn-9-1-5": (lambda: SRCNN(1, "9-1-5", "default"), 13),
    "srcnn-9-5-5": (lambda: SRCNN(1, "9-5-5", "default"), 17),
    "vdsr": (lambda: VDSR(1, num_layers=20, num_features=2), 41),
    "drcn": (lambda: DRCN(1, num_recursions=16, num_features=2, alpha_epochs=1), 41),
}


@pytest.mark.parametrize(("build", "side"), FIELDS.values(), ids=FIELDS)
def test_the_receptive_field_is_the_published_one(build: Callable[[], Network], side: int) -> None:
    middle = side // 2 + 3
    expected = list(range(middle - side // 2, middle + side // 2 + 1))
    assert seen(positive(build()), side + 6, middle) == (expected, expected)


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
def test_the_receptive_field_of_fsrcnn_follows_from_its_layers(scale: int) -> None:
    """LR pixels i whose block of 9 taps around scale * i meets the output pixel, and 2 + 4 * 1 more on each side."""
    net, middle = positive(FSRCNN(scale, d=2, s=2, m=4)), 12
    for pixel in range(scale * middle, scale * middle + scale):
        under = [i for i in range(25) if abs(pixel - scale * i) <= 4]
        expected = list(range(under[0] - 6, under[-1] + 7))
        assert seen(net, 25, pixel) == (expected, expected)
