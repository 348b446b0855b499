"""Multiply-adds and receptive fields against the papers'.

Multiply-adds follow Ahn et al. 2018 ("CARN", table 2): those of the convolutions for an output of 1280x720 pixels at
x4, one multiply-add per tap; no biases, activations or interpolation. torch counts two operations for each.
"""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from srlab.models.drcn import DRCN
from srlab.models.espcn import ESPCN
from srlab.models.fsrcnn import FSRCNN
from srlab.models.network import Network
from srlab.models.srcnn import SRCNN
from srlab.models.srresnet import SRResNet
from srlab.models.vdsr import VDSR

HEIGHT, WIDTH, SCALE = 720, 1280, 4


def multiply_adds(module: nn.Module, channels: int, height: int, width: int) -> float:
    """1e9 multiply-adds of one call; on the meta device, which computes nothing."""
    with FlopCounterMode(display=False) as counter, torch.device("meta"):
        module.to("meta")(torch.empty(1, channels, height, width))
    return counter.get_total_flops() / 2e9


PUBLISHED: dict[str, tuple[Callable[[], Network], float]] = {  # 1e9, as printed
    "srcnn": (lambda: SRCNN(SCALE, "9-5-5", "default"), 52.7),
    "vdsr": (lambda: VDSR(SCALE, num_layers=20, num_features=64), 612.6),
    "drcn": (lambda: DRCN(SCALE, num_recursions=16, num_features=256, alpha_epochs=1), 17_974.3),
}


@pytest.mark.parametrize(("build", "published"), PUBLISHED.values(), ids=PUBLISHED)
def test_multiply_adds_are_the_published_ones(build: Callable[[], Network], published: float) -> None:
    assert round(multiply_adds(build(), 1, HEIGHT // SCALE, WIDTH // SCALE), 1) == published


def test_multiply_adds_of_espcn_follow_from_its_layers() -> None:
    # one multiply-add per weight (24,640) and LR pixel; Ahn et al. do not list ESPCN
    expected = 24_640 * (HEIGHT // SCALE) * (WIDTH // SCALE) / 1e9
    assert multiply_adds(ESPCN(SCALE), 1, HEIGHT // SCALE, WIDTH // SCALE) == pytest.approx(expected)


def test_multiply_adds_of_srresnet_are_the_published_ones() -> None:
    net = SRResNet(SCALE, num_blocks=16, num_features=64).eval()
    assert round(multiply_adds(net, 3, HEIGHT // SCALE, WIDTH // SCALE), 1) == 127.8  # in later comparisons


def fsrcnn_parts() -> tuple[float, float]:
    """Of FSRCNN's convolutions, and of its deconvolution on the features of the image alone (1e9)."""
    net, size = FSRCNN(SCALE, d=56, s=12, m=4), (HEIGHT // SCALE, WIDTH // SCALE)
    return multiply_adds(net.body, 1, *size), multiply_adds(net.enlarge, 56, *size)


def test_multiply_adds_of_fsrcnn_are_one_per_weight_and_lr_pixel() -> None:
    convolutions, deconvolution = fsrcnn_parts()
    assert round(convolutions + deconvolution, 2) == 0.72  # 12,464 weights (Dong et al. 2016, table 1) * 57,600 pixels


def test_the_published_multiply_adds_of_fsrcnn_count_a_deconvolution_per_hr_pixel() -> None:
    # 4.6 in Ahn et al. 2018: as if its 81 taps met an HR grid, of which 15 in 16 values are zeros that nobody computes
    convolutions, deconvolution = fsrcnn_parts()
    assert round(convolutions + SCALE**2 * deconvolution, 1) == 4.6


def test_the_border_costs_fsrcnn_little() -> None:
    whole = multiply_adds(FSRCNN(SCALE, d=56, s=12, m=4), 1, HEIGHT // SCALE, WIDTH // SCALE)
    assert sum(fsrcnn_parts()) < whole < 1.01 * sum(fsrcnn_parts())  # one LR pixel more on each side


# Receptive fields: the pixels that one output pixel depends on.


def positive(net: Network) -> Network:
    """`net` in float64 with weights that let every path through: all positive, so that no ReLU is ever closed."""
    generator = torch.Generator().manual_seed(0)
    for parameter in net.double().parameters():
        parameter.data = torch.rand(parameter.shape, generator=generator, dtype=torch.float64) + 0.1
    return net


def seen(net: Callable[[Tensor], Tensor], size: int, row: int, column: int) -> tuple[Tensor, Tensor]:
    """Rows and columns of a (size, size) image that the output pixel (row, column) depends on."""
    image = torch.rand(1, 1, size, size, dtype=torch.float64, requires_grad=True)
    net(image)[0, 0, row, column].backward()
    assert image.grad is not None
    moved = image.grad[0, 0].abs()
    return moved.sum(1).nonzero().flatten(), moved.sum(0).nonzero().flatten()


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
    rows, columns = seen(positive(build()), side + 6, middle, middle)
    assert (rows.tolist(), columns.tolist()) == (expected, expected)


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
def test_the_receptive_field_of_fsrcnn_follows_from_its_layers(scale: int) -> None:
    """LR pixels i whose block of 9 taps around scale * i meets the output pixel, and 2 + 4 * 1 more on each side."""
    net, middle = positive(FSRCNN(scale, d=2, s=2, m=4)), 12
    for phase in range(scale):
        pixel = scale * middle + phase
        under = [i for i in range(25) if abs(pixel - scale * i) <= 4]
        rows, columns = seen(net, 25, pixel, pixel)
        expected = list(range(under[0] - 6, under[-1] + 7))
        assert (rows.tolist(), columns.tolist()) == (expected, expected)
