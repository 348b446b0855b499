"""What holds for every network of the profiles: a new one is tested as soon as it has a line there."""

from functools import cache
from typing import Any

import pytest
import torch
from hydra.utils import instantiate
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf
from profiles import PROFILES
from skimage.color import rgb2ycbcr
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from srlab.errors import SrlabError
from srlab.evaluation.cost import MultiplyAdds
from srlab.images.resample import imresize
from srlab.models.base.network import Network
from srlab.models.espcn import ESPCN
from srlab.models.srresnet import SRResNet
from srlab.planning.configs import configs

SMOKE = PROFILES["smoke"]
FAR = 16  # LR px, farther than any of these networks sees
every_network = pytest.mark.parametrize("name", SMOKE["models"])
either_channels = pytest.mark.parametrize("channels", [1, 3])


@cache
def described(scale: int) -> dict[str, Any]:
    composed = configs("smoke", list(SMOKE["models"]), [f"scale={scale}"])[1]
    return {name: OmegaConf.to_container(cfg.model.net, resolve=True) for name, cfg in composed.items()}


def network(name: str, scale: int = 2, seed: int = 0) -> Network:
    """With weights in which no layer is the identity."""
    torch.manual_seed(seed)
    net = instantiate(described(scale)[name])
    for parameter in net.parameters():
        parameter.data += 0.05 * torch.randn_like(parameter)
    return net


class Enlarge(Network):
    """Bicubic interpolation as a network, so that what `upscale` does around a network can be seen."""

    def __init__(self, scale: int, channels: int) -> None:
        super().__init__(scale, channels)
        self.one = nn.Parameter(torch.ones(()))
        self.seen: list[Tensor] = []

    def forward(self, lr: Tensor) -> Tensor:
        assert lr.shape[1] == self.channels
        self.seen.append(lr)
        return imresize(lr, scale=self.scale) * self.one


def picture(channels: int, height: int = 9, width: int = 7) -> Tensor:
    """Random (2, channels, height, width) in [0, 1]."""
    return torch.rand(2, channels, height, width, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("scale", [2, 3, 4])
@every_network
def test_forward_enlarges_odd_sizes(name: str, scale: int) -> None:
    net = network(name, scale)
    assert net(picture(net.channels)).shape == (2, net.channels, 9 * scale, 7 * scale)


@every_network
def test_a_loss_that_changes_from_epoch_to_epoch_is_named(name: str) -> None:
    """A GPU that replays a step makes the first epoch's again."""
    net = network(name)
    lr, hr = picture(net.channels), torch.rand(2, net.channels, 18, 14)
    first, late = (net.training_loss(lr, hr, epoch) for epoch in (0, 1000))
    assert net.loss_changes is not bool(first == late)


@every_network
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 999), factor=st.sampled_from([1.0, 100.0]), channels=st.sampled_from([1, 3]))
def test_upscale_keeps_channels_and_stays_in_the_unit_range(name: str, seed: int, factor: float, channels: int) -> None:
    net = network(name, seed=seed)
    for parameter in net.parameters():
        parameter.data *= factor  # wild weights, as early in a training that goes wrong
    sr = net.upscale(picture(channels), 2)
    assert sr.shape == (2, channels, 18, 14)
    assert 0 <= sr.min() <= sr.max() <= 1


@every_network
def test_gradients_reach_every_parameter(name: str) -> None:
    net = network(name, 4).eval()  # in train mode a batch normalisation cancels the bias before it
    net(picture(net.channels)).pow(2).sum().backward()
    without = [key for key, parameter in net.named_parameters() if parameter.grad is None or not parameter.grad.any()]
    assert without == []


@every_network
def test_a_shifted_image_gives_the_shifted_output_away_from_borders(name: str) -> None:
    net = network(name).double().eval()
    side = 2 * FAR + 8
    large = torch.rand(1, net.channels, side + 3, side + 2, dtype=torch.float64)
    whole, shifted = net(large), net(large[..., 3:, 2:])
    inner = (..., slice(2 * FAR, -2 * FAR), slice(2 * FAR, -2 * FAR))
    difference = whole[..., 6:, 4:][inner] - shifted[inner]
    assert difference.abs().max() < 1e-12 * whole.abs().max()  # float64 sums of fewer than 1e3 terms


@every_network
def test_multiply_adds_are_those_that_torch_itself_counts(name: str) -> None:
    net, image = network(name), picture(1)
    with FlopCounterMode(display=False) as torchs:
        net.upscale(image, 2)
    with MultiplyAdds() as counter:
        net.upscale(image, 2)
    assert counter.total == torchs.get_total_flops() / 2 > 0


@either_channels
@every_network
def test_upscale_ignores_autocast(name: str, channels: int) -> None:
    net = network(name)
    expected = net.upscale(picture(channels), 2)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(net.upscale(picture(channels), 2), expected)


# What `upscale` does around a network.


@pytest.mark.parametrize(
    ("image", "scale", "message"),
    [
        (torch.zeros(1, 1, 8, 8), 3, "Enlarge was built for x2, asked for x3"),
        (torch.zeros(3, 8, 8), 2, r"\(B, 1, h, w\) or \(B, 3, h, w\)"),
        (torch.zeros(1, 2, 8, 8), 2, r"\(B, 1, h, w\) or \(B, 3, h, w\)"),
        (torch.zeros(1, 1, 8, 8, device="meta"), 2, "Enlarge is on cpu, the image on meta: move one of them"),
    ],
)
def test_upscale_refuses_what_does_not_fit(image: Tensor, scale: int, message: str) -> None:
    with pytest.raises(SrlabError, match=message):
        Enlarge(2, 1).upscale(image, scale)


def test_a_luma_network_is_given_scikit_images_luma() -> None:
    rgb = picture(3).double()
    net = Enlarge(2, channels=1).double()
    net.upscale(rgb, 2)
    expected = torch.from_numpy(rgb2ycbcr(rgb.numpy(), channel_axis=1)[:, :1] / 255)
    assert (net.seen[0] - expected).abs().max() < 1e-12  # both float64; two ways of summing three products


def test_bicubic_luma_beside_bicubic_chroma_is_bicubic_rgb() -> None:
    rgb = picture(3).double() * 0.4 + 0.3  # away from 0 and 1: clamping comes after the conversion to RGB
    sr = Enlarge(3, channels=1).double().upscale(rgb, 3)
    assert (sr - imresize(rgb, scale=3)).abs().max() < 1e-12  # interpolation and colour matrices commute


@either_channels
def test_the_grey_of_a_grey_image_is_kept(channels: int) -> None:
    grey = picture(1).double() * 0.4 + 0.3
    sr = Enlarge(3, channels).double().upscale(grey, 3)
    assert (sr - imresize(grey, scale=3)).abs().max() < 1e-12  # float64


def test_upscale_runs_in_eval_mode() -> None:
    net = SRResNet(2, num_blocks=1, num_features=4).train()
    first = net.upscale(picture(3), 2)
    # batch statistics would make an image depend on its neighbours in the batch
    assert torch.allclose(net.upscale(picture(3)[:1], 2), first[:1], atol=1e-6)  # float32, another batch size


@pytest.mark.parametrize("mode", [True, False])
def test_upscale_leaves_mode_and_batch_statistics_as_they_were(mode: bool) -> None:
    net = SRResNet(2, num_blocks=1, num_features=4).train(mode)
    before = {name: buffer.clone() for name, buffer in net.named_buffers()}
    net.upscale(picture(3), 2)
    assert {module.training for module in net.modules()} == {mode}
    assert all(torch.equal(buffer, before[name]) for name, buffer in net.named_buffers())


def test_upscale_answers_in_the_dtype_of_the_image() -> None:
    assert ESPCN(2).upscale(picture(3).double(), 2).dtype == torch.float64
