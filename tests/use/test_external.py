"""A network from elsewhere: what it is given, and what becomes of its output."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from srlab.errors import SrlabError
from srlab.images.resample import imresize
from srlab.models.base.network import Network
from srlab.models.espcn import ESPCN
from srlab.models.srresnet import SRResNet
from srlab.use.external import External


class Spy(nn.Module):
    """Enlarges by repeating pixels, and remembers what it was given."""

    def __init__(self, change: Callable[[Tensor], Tensor] = lambda x: x) -> None:
        super().__init__()
        self.seen: list[Tensor] = []
        self.change = change

    def forward(self, x: Tensor) -> Tensor:
        self.seen.append(x)
        return self.change(x).repeat_interleave(2, 2).repeat_interleave(2, 3)


def external(
    net: nn.Module,
    channels: str = "rgb",
    value_range: float = 1,
    mean: float | str = 0,
    tile: int = 0,
    overlap: int = 0,
) -> External:
    return External("mine", "Mine", 2, net, channels, value_range, mean, tile, overlap)


def picture(channels: int = 3, height: int = 9, width: int = 7) -> Tensor:
    return torch.rand(1, channels, height, width, generator=torch.Generator().manual_seed(0))


def enlarged(x: Tensor) -> Tensor:
    return x.repeat_interleave(2, 2).repeat_interleave(2, 3)


@pytest.mark.parametrize(
    ("channels", "value_range", "mean", "expected"),
    [
        ("rgb", 1, 0, [0.2, 0.4, 0.6]),
        ("bgr", 255, 0, [153.0, 102.0, 51.0]),
        ("rgb", 1, 0.5, [-0.3, -0.1, 0.1]),
        ("bgr", 255, "0.1 0.2 0.3", [76.5, 51.0, 25.5]),  # the mean is R G B, whatever the network takes
    ],
)
def test_the_network_gets_the_range_the_order_and_the_mean_of_its_line(
    channels: str, value_range: int, mean: float | str, expected: list[float]
) -> None:
    spy = Spy()
    external(spy, channels, value_range, mean).upscale(torch.tensor([0.2, 0.4, 0.6]).view(1, 3, 1, 1), 2)
    assert spy.seen[0].flatten().tolist() == pytest.approx(expected, abs=1e-4)  # float32 below 256


@pytest.mark.parametrize(
    ("channels", "value_range", "mean"), [("rgb", 1, 0), ("bgr", 255, 0.5), ("bgr", 1, "0.4488 0.4371 0.4040")]
)
def test_a_network_that_changes_nothing_gives_the_image_back(
    channels: str, value_range: int, mean: float | str
) -> None:
    sr = external(Spy(), channels, value_range, mean).upscale(picture(), 2)
    assert torch.allclose(sr, enlarged(picture()), rtol=0, atol=1e-6)  # float32 below 1, there and back


def test_a_luma_network_leaves_chroma_to_bicubic() -> None:
    class Bicubic(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            assert x.shape[1] == 1
            return imresize(x, scale=2)

    rgb = picture().double() * 0.4 + 0.3
    sr = external(Bicubic(), "y").double().upscale(rgb, 2)
    assert (sr - imresize(rgb, scale=2)).abs().max() < 1e-12  # interpolation and colour matrices commute


def test_a_grey_image_goes_through_an_rgb_network_as_three_equal_channels() -> None:
    spy = Spy()
    sr = external(spy).upscale(picture(1), 2)
    assert torch.equal(spy.seen[0], picture(1).expand(-1, 3, -1, -1))
    assert torch.allclose(sr, enlarged(picture(1)), rtol=0, atol=1e-6)  # float32 below 1


# --- Tiles


def srresnet() -> SRResNet:
    torch.manual_seed(0)
    return SRResNet(2, num_blocks=1, num_features=4)


@pytest.mark.parametrize(
    ("net", "channels", "reach"), [(ESPCN(2), "y", 4), (srresnet(), "rgb", 10)], ids=["espcn", "srresnet"]
)  # 2 + 1 + 1; 4 + 2 * 1 + 1 + 1, and 4 output pixels
@pytest.mark.parametrize(("height", "width"), [(50, 37), (24, 61)])
def test_tiles_that_overlap_by_the_reach_give_what_the_whole_gives(
    net: Network, channels: str, reach: int, height: int, width: int
) -> None:
    image = picture(height=height, width=width)
    whole = external(net, channels).upscale(image, 2)
    tiled = external(net, channels, tile=24, overlap=reach).upscale(image, 2)
    assert torch.allclose(tiled, whole, rtol=0, atol=1e-5)  # float32: other sizes, other order of the sums


def test_tiles_that_overlap_less_do_not() -> None:
    image = picture(height=50, width=37)
    whole = external(srresnet()).upscale(image, 2)
    assert not torch.allclose(external(srresnet(), tile=24).upscale(image, 2), whole, rtol=0, atol=1e-5)


def test_every_tile_has_the_side_of_the_line() -> None:
    """So that a file made for one size of input can be used."""
    spy = Spy()
    external(spy, tile=8, overlap=2).upscale(picture(height=21, width=8), 2)
    assert {tuple(one.shape[2:]) for one in spy.seen} == {(8, 8)}
    assert len(spy.seen) == 5  # rows 0-5, 6-9, 10-13, 14-17 and the rest of 21


# --- What is refused


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"channels": "cmyk"}, r"external\.mine\.channels is cmyk: choose one of rgb, bgr, y"),
        ({"value_range": 0}, r"external\.mine\.value_range is 0: set 1 or 255"),
        ({"mean": "0.1 0.2"}, r"external\.mine\.mean is 0\.1 0\.2: give one number, or 3"),
        ({"mean": "dark"}, r"external\.mine\.mean is dark: give one number, or 3"),
        ({"tile": 8, "overlap": 4}, r"external\.mine: a tile of 8 with an overlap of 4 keeps nothing"),
    ],
)
def test_an_impossible_setting_is_named(settings: dict, message: str) -> None:
    with pytest.raises(SrlabError, match=message):
        external(Spy(), **settings)


@pytest.mark.parametrize(
    ("net", "message"),
    [
        (nn.Identity(), r"makes \(1, 3, 9, 7\) of \(1, 3, 9, 7\), x2 asks for \(1, 3, 18, 14\)"),
        (Spy(lambda x: x[:, :1]), r"makes \(1, 1, 18, 14\) of"),
        (nn.Conv2d(1, 1, 3), r"fails on an input of \(1, 3, 9, 7\) \(.*1 channels.*\): correct `channels`"),
    ],
    ids=["another scale", "fewer channels", "other channels"],
)
def test_a_network_that_does_not_fit_is_refused_in_one_line(net: nn.Module, message: str) -> None:
    with pytest.raises(SrlabError, match=r"^external\.mine " + message) as caught:
        external(net).upscale(picture(), 2)
    assert "\n" not in str(caught.value)
