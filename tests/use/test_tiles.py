"""Windows give what the whole image gives, and how far a network sees is measured rightly."""

from dataclasses import dataclass

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from srlab.models.base.network import Network
from srlab.models.drcn import DRCN
from srlab.models.espcn import ESPCN
from srlab.models.fsrcnn import FSRCNN
from srlab.models.srcnn import SRCNN
from srlab.models.srresnet import SRResNet
from srlab.models.vdsr import VDSR
from srlab.use.tiles import bytes_per_pixel, reach, tile_side, windows

CPU = torch.device("cpu")
# Each with how far it sees by the radii of its kernels in HR px, and what it does at LR size.
NETWORKS = {
    "espcn": (lambda: ESPCN(3), 2 + 1 + 1),
    "fsrcnn": (lambda: FSRCNN(4, 8, 4, 2), 2 + 2 + 1),  # 5x5, two of 3x3; 9x9 on LR px 4 HR px apart
    "srcnn": (lambda: SRCNN(4, "9-5-5", "default"), 4),  # 8 HR px and the bicubic kernel's 2 LR px
    "vdsr": (lambda: VDSR(4, 4, 8), 3),  # 4 HR px and 2 LR px
    "drcn": (lambda: DRCN(4, 3, 8, 1), 4),  # 7 HR px and 2 LR px
    "srresnet": (lambda: SRResNet(4, 2, 8), 4 + 4 + 1 + 1 + 1 + 1),  # two stages and 9x9 reach 1 LR px each
}


@dataclass
class Bare:
    """A network as an Upscaler."""

    net: Network
    label: str = ""
    num_parameters: int = 0

    def upscale(self, lr: Tensor, scale: int) -> Tensor:
        return self.net.upscale(lr, scale)


def method(name: str) -> Bare:
    torch.manual_seed(0)
    return Bare(NETWORKS[name][0]().eval().requires_grad_(False))


def tiled(net: Bare, lr: Tensor, tile: int, overlap: int) -> Tensor:
    scale = net.net.scale
    sr = torch.full((*lr.shape[:2], *(side * scale for side in lr.shape[2:])), torch.nan)
    for window in windows(lr.shape[2:], tile, overlap):
        sr[(..., *window.target(scale))] = net.upscale(lr[(..., *window.seen)], scale)[(..., *window.inside(scale))]
    return sr


@pytest.mark.parametrize("name", NETWORKS)
def test_how_far_a_network_sees(name: str) -> None:
    assert reach(method(name), method(name).net.scale, CPU) == NETWORKS[name][1]


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("more", [10, 17, 31])
def test_windows_give_what_the_whole_gives(name: str, more: int) -> None:
    net, far = method(name), NETWORKS[name][1]
    lr = torch.rand(1, 3, 41, 2 * far + 37, generator=torch.Generator().manual_seed(1))
    whole = net.upscale(lr, net.net.scale)
    # What kernels for other sizes round otherwise: 2e-7 is seen, on values up to 1.
    assert (tiled(net, lr, 2 * far + more, far) - whole).abs().max() <= 1e-6


def test_a_smaller_overlap_would_be_seen() -> None:
    net, lr = method("espcn"), torch.rand(1, 1, 30, 30, generator=torch.Generator().manual_seed(1))
    assert (tiled(net, lr, 18, 3) - net.upscale(lr, 3)).abs().max() > 1e-3


def test_what_looks_at_the_whole_image_has_no_reach() -> None:
    class Mean(ESPCN):
        def forward(self, lr: Tensor) -> Tensor:
            return self.body(lr - lr.mean())

    assert reach(Bare(Mean(2).eval()), 2, CPU) is None


@given(st.tuples(st.integers(1, 20), st.integers(1, 20)), st.integers(0, 3), st.integers(1, 9))
def test_every_pixel_is_kept_once(sides: tuple[int, int], overlap: int, more: int) -> None:
    count = torch.zeros(sides, dtype=torch.int)
    for window in windows(sides, 2 * overlap + more, overlap):
        count[window.kept] += 1
        for seen, kept, side in zip(window.seen, window.kept, sides, strict=True):
            assert seen.start <= max(kept.start - overlap, 0)
            assert min(kept.stop + overlap, side) <= seen.stop <= side
    assert torch.equal(count, torch.ones(sides, dtype=torch.int))


def test_windows_are_as_large_as_memory_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    def side(free: int, output: int = 0) -> int:
        monkeypatch.setattr("srlab.use.tiles.free_memory", lambda device: free)
        return tile_side(10_000.0, output, 10, CPU)

    assert side(2_000_000) == 36  # never below twice the overlap and 16
    assert side(200_000_000) == 100  # half of what is free
    assert side(10**12) == 374  # 2 GB in all, 1.4 beside the libraries
    assert side(10**12, 770_000_000) == 250


def test_memory_grows_with_the_features_of_a_network() -> None:
    small, large = (bytes_per_pixel(Bare(SRResNet(2, 1, count).eval()), 2, CPU) for count in (8, 32))
    assert 2 < large / small < 4
    assert large > 2 * 32 * 4 * 4  # the input and output of a convolution of 32 float32 features at twice the side
