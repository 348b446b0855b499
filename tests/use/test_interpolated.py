"""Between two networks: at the ends exactly theirs, in between the weighted mean of every number."""

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from srlab.errors import SrlabError
from srlab.models.base.trained import Trained
from srlab.models.base.weights import save_network
from srlab.models.espcn import ESPCN
from srlab.models.srresnet import SRResNet
from srlab.use.interpolated import Interpolated

LABEL = "SRGAN (MSE content)"


def net() -> SRResNet:
    return SRResNet(2, num_blocks=1, num_features=4)


def trained(seed: int) -> SRResNet:
    """Other weights for every seed, and statistics of other images."""
    torch.manual_seed(seed)
    other = net().train()
    with torch.no_grad():
        for _ in range(seed + 2):
            other(torch.rand(2, 3, 8, 8) * (seed + 1))
    return other


@pytest.fixture(scope="module")
def ends(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Files of the generators of MSE and GAN."""
    folder = tmp_path_factory.mktemp("ends")
    for seed, name in enumerate(("mse", "gan")):
        save_network(folder / f"{name}.safetensors", trained(seed), {})
    return str(folder / "mse.safetensors"), str(folder / "gan.safetensors")


def interpolated(ends: tuple[str, str], alpha: float, label: str = LABEL) -> Interpolated:
    return Interpolated(label, net(), *ends, "srresnet", "srresnet", alpha)


def picture() -> Tensor:
    return torch.rand(2, 3, 6, 5, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("alpha", [0, 1])
def test_the_ends_are_exactly_the_two_generators(ends: tuple[str, str], alpha: int) -> None:
    expected = Trained(LABEL, net(), ends[alpha]).upscale(picture(), 2)
    assert torch.equal(interpolated(ends, alpha).upscale(picture(), 2), expected)
    assert not torch.equal(Trained(LABEL, net(), ends[1 - alpha]).upscale(picture(), 2), expected)


@given(alpha=st.floats(0, 1))
def test_every_weight_and_statistic_is_the_weighted_mean(ends: tuple[str, str], alpha: float) -> None:
    first, second = trained(0).state_dict(), trained(1).state_dict()
    found = interpolated(ends, alpha).net.state_dict()
    assert list(found) == list(first)
    for name, value in found.items():
        if value.is_floating_point():
            expected = first[name].double() * (1 - alpha) + second[name].double() * alpha
            # float32, relative to the larger end: they may cancel
            size = torch.maximum(first[name].abs(), second[name].abs()).max().item()
            assert torch.allclose(value.double(), expected, rtol=0, atol=1e-6 * size), name


@pytest.mark.parametrize("alpha", [-0.1, 1.5, float("nan")])
def test_a_weight_outside_is_refused(ends: tuple[str, str], alpha: float) -> None:
    with pytest.raises(SrlabError, match=r"^alpha is \S+: set it between 0 \(the network at the start\) and 1 "):
        interpolated(ends, alpha)


def test_a_gan_that_began_elsewhere_is_refused(ends: tuple[str, str]) -> None:
    """Weights between networks that were not trained one from the other mean nothing."""
    with pytest.raises(SrlabError, match="generator is srresnet, but the GAN began with other: name that one"):
        Interpolated(LABEL, net(), *ends, "srresnet", "other", 0.5)


@pytest.mark.parametrize("end", [0, 1])
@pytest.mark.parametrize("damage", ["missing", "another network"])
def test_weights_that_do_not_fit_are_refused(ends: tuple[str, str], tmp_path: Path, end: int, damage: str) -> None:
    bad = tmp_path / "bad" / "best.safetensors"
    if damage == "another network":
        save_network(bad, ESPCN(2), {})
    files = (str(bad), ends[1]) if end == 0 else (ends[0], str(bad))
    with pytest.raises(SrlabError, match=f"bad/best.safetensors .*{damage}"):
        interpolated(files, 0.5)


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("SRGAN (MSE content)", "SRGAN (alpha 0.5, MSE content, 1 block, 4 channels)"),
        ("SRGAN", "SRGAN (alpha 0.5, 1 block, 4 channels)"),
    ],
)
def test_the_label_has_the_weight(ends: tuple[str, str], label: str, expected: str) -> None:
    assert interpolated(ends, 0.5, label).label == expected
