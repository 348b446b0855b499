"""A sub-pixel convolution starts as the nearest enlargement of a smaller one, and only then where it is asked to."""

from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from srlab.models.base.network import Network
from srlab.models.base.subpixel import icnr_
from srlab.models.espcn import ESPCN
from srlab.models.srresnet import SRResNet

NETWORKS: dict[str, Callable[[int, bool], Network]] = {
    "espcn": lambda scale, icnr: ESPCN(scale, icnr=icnr),
    "srresnet": lambda scale, icnr: SRResNet(scale, num_blocks=1, num_features=4, icnr=icnr),
}
every_network = pytest.mark.parametrize("build", NETWORKS.values(), ids=NETWORKS)


def seeded(build: Callable[[int, bool], Network], scale: int, icnr: bool) -> Network:
    torch.manual_seed(0)
    return build(scale, icnr)


def blocks(image: Tensor, factor: int) -> Tensor:
    """(B, C, h * factor, w * factor) as (B, C, h, w, factor^2)."""
    batch, channels, height, width = image.shape
    parts = image.view(batch, channels, height // factor, factor, width // factor, factor)
    return parts.permute(0, 1, 2, 4, 3, 5).flatten(4)


@given(factor=st.integers(2, 4), channels=st.integers(1, 3), kernel=st.sampled_from([1, 3]), seed=st.integers(0, 99))
def test_the_shuffled_output_is_the_enlarged_output_of_the_sub_kernel(
    factor: int, channels: int, kernel: int, seed: int
) -> None:
    torch.manual_seed(seed)
    wide = nn.Conv2d(2, channels * factor**2, kernel, padding=kernel // 2).double()
    small = nn.Conv2d(2, channels, kernel, padding=kernel // 2).double()
    small.load_state_dict({name: value[:: factor**2] for name, value in wide.state_dict().items()})
    icnr_(wide, factor)
    x = torch.rand(2, 2, 5, 4, dtype=torch.float64)
    enlarged = torch.kron(small(x), torch.ones(factor, factor, dtype=torch.float64))
    shuffled = nn.PixelShuffle(factor)(wide(x))
    assert torch.allclose(shuffled, enlarged, rtol=0, atol=1e-12)  # float64 sums of 18 products of order 1


def test_channels_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="6 channels cannot be shuffled into blocks of 2x2"):
        icnr_(nn.Conv2d(1, 6, 3), 2)


@pytest.mark.parametrize("scale", [2, 3, 4])
@every_network
def test_a_network_starts_without_a_checkerboard(build: Callable[[int, bool], Network], scale: int) -> None:
    """After every shuffle the pixels of a block are equal; with PyTorch's own start they are not."""

    def spreads(icnr: bool) -> list[float]:
        found: list[float] = []
        net = seeded(build, scale, icnr)

        def look(module: nn.Module, args: tuple[Tensor], out: Tensor) -> None:
            assert isinstance(module, nn.PixelShuffle)
            found.append(blocks(out, module.upscale_factor).std(-1).max().item())

        for module in net.modules():
            if isinstance(module, nn.PixelShuffle):
                module.register_forward_hook(look)
        net(torch.rand(1, net.channels, 5, 4, generator=torch.Generator().manual_seed(1)))
        return found

    assert max(spreads(icnr=True)) < 1e-6  # equal sums in float32, perhaps in another order
    assert min(spreads(icnr=False)) > 1e-3  # ESPCN starts with weights of 0.001


@pytest.mark.parametrize("scale", [2, 3, 4])
@every_network
def test_nothing_else_starts_differently(build: Callable[[int, bool], Network], scale: int) -> None:
    plain, plain_next = seeded(build, scale, False).state_dict(), torch.rand(1)
    icnr, icnr_next = seeded(build, scale, True).state_dict(), torch.rand(1)
    assert plain_next.equal(icnr_next)  # no random number more or less
    changed = {name.rpartition(".")[0] for name in plain if not plain[name].equal(icnr[name])}
    shuffled = {"body.4"} if len(plain) == 6 else {f"stages.{i}.0" for i in range(2 if scale == 4 else 1)}
    assert changed == shuffled
