"""What holds for every network: the test lists them once, a new one joins by one line of NETWORKS."""

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.color import rgb2ycbcr
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from srlab.errors import SrlabError
from srlab.evaluation.cost import MultiplyAdds
from srlab.images.resample import imresize
from srlab.models.drcn import DRCN
from srlab.models.espcn import ESPCN
from srlab.models.fsrcnn import FSRCNN
from srlab.models.network import Network, Upscaler
from srlab.models.srcnn import SRCNN
from srlab.models.srresnet import SRResNet
from srlab.models.trained import Trained
from srlab.models.vdsr import VDSR


def stirred(net: DRCN) -> DRCN:
    """`net` with a recursion that is no longer the identity, through which nothing would spread."""
    nn.init.kaiming_normal_(net.recursion.weight, generator=torch.Generator().manual_seed(0))
    return net


NETWORKS: dict[str, Callable[[int], Network]] = {
    "srcnn-9-1-5": lambda scale: SRCNN(scale, "9-1-5", "default"),
    "srcnn-9-5-5": lambda scale: SRCNN(scale, "9-5-5", "default"),
    "fsrcnn": lambda scale: FSRCNN(scale, d=56, s=12, m=4),
    "espcn": ESPCN,
    "vdsr": lambda scale: VDSR(scale, num_layers=6, num_features=8),
    "drcn": lambda scale: stirred(DRCN(scale, num_recursions=4, num_features=8, alpha_epochs=1)),
    "srresnet": lambda scale: SRResNet(scale, num_blocks=2, num_features=8),
}
# An output pixel of x2 depends on the input pixels this far from its own, from the kernels alone: SRCNN 6 and 8 output
# pixels and 2 taps of the bicubic, VDSR 6 and DRCN 8 likewise; FSRCNN 2 + 4 * 1 and 4 output pixels; ESPCN 2 + 1 + 1;
# SRResNet 4 + 2 per block + 1 + 1, then 4 output pixels.
REACH = {"srcnn-9-1-5": 5, "srcnn-9-5-5": 6, "fsrcnn": 8, "espcn": 4, "vdsr": 5, "drcn": 6, "srresnet": 12}
VARIANTS = {"vdsr": "6 layers, 8 channels", "drcn": "4 recursions, 8 channels", "srresnet": "2 blocks, 8 channels"}
every_network = pytest.mark.parametrize("build", NETWORKS.values(), ids=NETWORKS)
every_scale = pytest.mark.parametrize("scale", [2, 3, 4])


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


@every_scale
@every_network
def test_forward_enlarges_odd_sizes(build: Callable[[int], Network], scale: int) -> None:
    net = build(scale)
    assert net(picture(net.channels)).shape == (2, net.channels, 9 * scale, 7 * scale)


@pytest.mark.parametrize("channels", [1, 3])
@every_network
def test_upscale_keeps_the_channels_of_the_image(build: Callable[[int], Network], channels: int) -> None:
    assert build(2).upscale(picture(channels), 2).shape == (2, channels, 18, 14)


@every_network
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 999), factor=st.sampled_from([1.0, 100.0]), channels=st.sampled_from([1, 3]))
def test_upscale_stays_in_the_unit_range(
    build: Callable[[int], Network], seed: int, factor: float, channels: int
) -> None:
    torch.manual_seed(seed)
    net = build(2)
    for parameter in net.parameters():
        parameter.data *= factor  # wild weights, as early in a training that goes wrong
    sr = net.upscale(picture(channels), 2)
    assert sr.min() >= 0
    assert sr.max() <= 1


@every_network
def test_gradients_reach_every_parameter(build: Callable[[int], Network]) -> None:
    net = build(4).eval()  # in train mode a batch normalisation cancels the bias before it
    net(picture(net.channels)).pow(2).sum().backward()
    without = [name for name, parameter in net.named_parameters() if parameter.grad is None or not parameter.grad.any()]
    assert without == []


@every_network
def test_a_shifted_image_gives_the_shifted_output_away_from_borders(
    build: Callable[[int], Network], request: pytest.FixtureRequest
) -> None:
    reach = REACH[request.node.callspec.id]
    net = build(2).double().eval()
    size = 2 * reach + 8
    large = torch.rand(1, net.channels, size + 3, size + 2, dtype=torch.float64)
    whole, shifted = net(large), net(large[..., 3:, 2:])
    inner = slice(2 * reach, -2 * reach)
    difference = whole[..., 6:, 4:][..., inner, inner] - shifted[..., inner, inner]
    assert difference.abs().max() < 1e-12  # float64 sums of fewer than 1e3 terms of order 1


@every_network
def test_an_output_pixel_sees_exactly_the_reach(
    build: Callable[[int], Network], request: pytest.FixtureRequest
) -> None:
    reach = REACH[request.node.callspec.id]
    net = build(2).double().eval()
    lr = torch.rand(1, net.channels, 2 * reach + 9, 2 * reach + 9, dtype=torch.float64, requires_grad=True)
    middle = reach + 4
    net(lr)[..., 2 * middle : 2 * middle + 2, 2 * middle : 2 * middle + 2].sum().backward()
    assert lr.grad is not None
    rows = lr.grad.abs().sum(dim=(0, 1, 3)).nonzero().flatten()
    assert (rows.min(), rows.max()) == (middle - reach, middle + reach)


@every_network
def test_upscale_refuses_another_scale(build: Callable[[int], Network]) -> None:
    with pytest.raises(SrlabError, match="built for x2, asked for x3"):
        build(2).upscale(picture(1), 3)


@pytest.mark.parametrize("shape", [(3, 8, 8), (1, 2, 8, 8), (1, 4, 8, 8)])
def test_upscale_refuses_what_is_no_batch_of_images(shape: tuple[int, ...]) -> None:
    with pytest.raises(SrlabError, match=r"\(B, 1, h, w\) or \(B, 3, h, w\)"):
        ESPCN(2).upscale(torch.zeros(shape), 2)


@every_network
def test_multiply_adds_are_those_that_torch_itself_counts(build: Callable[[int], Network]) -> None:
    net, image = build(2), picture(1)
    with FlopCounterMode(display=False) as torchs:
        net.upscale(image, 2)
    with MultiplyAdds() as counter:
        net.upscale(image, 2)
    assert counter.total == torchs.get_total_flops() / 2 > 0


def test_upscale_refuses_an_image_on_another_device() -> None:
    with pytest.raises(SrlabError, match="Enlarge is on cpu, the image on meta: move one of them"):
        Enlarge(2, 1).upscale(torch.rand(1, 1, 8, 8, device="meta"), 2)


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


def test_an_rgb_network_keeps_the_grey_of_a_grey_image() -> None:
    grey = picture(1).double() * 0.4 + 0.3
    sr = Enlarge(3, channels=3).double().upscale(grey, 3)
    assert (sr - imresize(grey, scale=3)).abs().max() < 1e-12


def test_a_luma_network_takes_a_grey_image_for_luma() -> None:
    grey = picture(1).double() * 0.4 + 0.3
    assert torch.equal(Enlarge(3, channels=1).double().upscale(grey, 3), imresize(grey, scale=3))


def test_upscale_runs_in_eval_mode() -> None:
    net = SRResNet(2, num_blocks=1, num_features=4).train()
    first = net.upscale(picture(3), 2)
    # batch statistics would make an image depend on its neighbours in the batch
    assert torch.allclose(net.upscale(picture(3)[:1], 2), first[:1], atol=1e-6)  # float32, another batch size


@pytest.mark.parametrize("mode", [True, False])
def test_upscale_leaves_the_mode_as_it_was(mode: bool) -> None:
    net = SRResNet(2, num_blocks=1, num_features=4).train(mode)
    net.upscale(picture(3), 2)
    assert [module.training for module in net.modules()] == [mode] * len(list(net.modules()))


def test_upscale_does_not_move_the_batch_statistics() -> None:
    net = SRResNet(2, num_blocks=1, num_features=4).train()
    before = {name: buffer.clone() for name, buffer in net.named_buffers()}
    net.upscale(picture(3), 2)
    assert all(torch.equal(buffer, before[name]) for name, buffer in net.named_buffers())


@pytest.mark.parametrize("channels", [1, 3])
@every_network
def test_upscale_ignores_autocast(build: Callable[[int], Network], channels: int) -> None:
    net = build(2)
    expected = net.upscale(picture(channels), 2)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(net.upscale(picture(channels), 2), expected)


def test_upscale_answers_in_the_dtype_of_the_image() -> None:
    assert ESPCN(2).upscale(picture(3).double(), 2).dtype == torch.float64


@every_network
def test_networks_name_how_they_differ_from_the_published(
    build: Callable[[int], Network], request: pytest.FixtureRequest
) -> None:
    assert build(2).variant == VARIANTS.get(request.node.callspec.id, "")


def test_every_method_is_an_upscaler(tmp_path) -> None:
    from srlab.classical.interpolation import Interpolation
    from srlab.models.weights import save_network

    save_network(tmp_path / "w.safetensors", ESPCN(2), {})
    methods = [Interpolation("bicubic", "Bicubic"), Trained("ESPCN", ESPCN(2), str(tmp_path / "w.safetensors"))]
    assert all(isinstance(method, Upscaler) for method in methods)
