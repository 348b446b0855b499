"""Sizes against the papers'."""

import pytest
import torch
from torch import nn

from srlab.errors import SrlabError
from srlab.models.drcn import DRCN
from srlab.models.espcn import ESPCN
from srlab.models.fsrcnn import FSRCNN
from srlab.models.srcnn import SRCNN
from srlab.models.srgan import Discriminator
from srlab.models.srresnet import SRResNet
from srlab.models.vdsr import VDSR


def num_parameters(net: nn.Module) -> int:
    return sum(parameter.numel() for parameter in net.parameters())


@pytest.mark.parametrize(("kernels", "num_weights"), [("9-1-5", 8_032), ("9-5-5", 57_184)])
def test_srcnn_has_the_published_number_of_weights(kernels: str, num_weights: int) -> None:
    # Dong et al. 2016, sec. 4.3.2, which leaves the 64 + 32 + 1 biases out
    assert num_parameters(SRCNN(4, kernels, "paper")) == num_weights + 97


def num_filter_weights(net: nn.Module) -> int:
    """Without biases, slopes and other vectors."""
    return sum(parameter.numel() for parameter in net.parameters() if parameter.ndim == 4)


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
def test_fsrcnn_has_the_published_number_of_weights_at_every_scale(scale: int) -> None:
    assert num_filter_weights(FSRCNN(scale, d=56, s=12, m=4)) == 12_464  # Dong et al. 2016, table 1


def test_fsrcnn_is_as_large_as_reported() -> None:
    # 12,637 in later comparisons: the weights and 56 + 12 + 4 * 12 + 56 + 1 biases; the slopes of the seven PReLUs,
    # one each as in the authors' models, are counted by nobody
    net = FSRCNN(4, d=56, s=12, m=4)
    slopes = [parameter for layer in net.modules() if isinstance(layer, nn.PReLU) for parameter in layer.parameters()]
    assert sum(slope.numel() for slope in slopes) == 7
    assert num_parameters(net) - 7 == 12_637


def test_fsrcnn_as_published_names_no_variant() -> None:
    assert FSRCNN(4, d=56, s=12, m=4).variant == ""
    assert FSRCNN(4, d=32, s=5, m=1).variant == "d=32, s=5, m=1"


def test_vdsr_is_as_large_as_reported() -> None:
    assert num_parameters(VDSR(4, num_layers=20, num_features=64)) == 665_921  # Ahn et al. 2018, with biases: "665K"


def test_vdsr_as_published_names_no_variant() -> None:
    assert VDSR(4, num_layers=20, num_features=64).variant == ""


def test_drcn_is_as_large_as_reported() -> None:
    net = DRCN(4, num_recursions=16, num_features=256, alpha_epochs=1)
    assert num_filter_weights(net) == 1_774_080  # "1,774K" in Ahn et al. 2018: without biases, each filter once
    assert num_parameters(net) == 1_774_080 + 4 * 256 + 1 + 16  # biases, weights of the recursions


def test_drcn_as_published_names_no_variant() -> None:
    assert DRCN(4, num_recursions=16, num_features=256, alpha_epochs=1).variant == ""


def test_more_recursions_cost_no_more_weights() -> None:
    few, many = (DRCN(2, num_recursions=number, num_features=8, alpha_epochs=1) for number in (1, 9))
    assert num_filter_weights(few) == num_filter_weights(many)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_espcn_follows_the_published_layers(scale: int) -> None:
    # Shi et al. 2016, sec. 3.2: (f, n) = (5, 64), (3, 32), (3, scale^2); 24,752 at x4
    layers = (5 * 5 * 1 + 1) * 64 + (3 * 3 * 64 + 1) * 32 + (3 * 3 * 32 + 1) * scale**2
    assert num_parameters(ESPCN(scale)) == layers


def test_espcn_is_as_large_as_reported_at_x4() -> None:
    assert num_parameters(ESPCN(4)) == 24_752


def test_srresnet_has_the_published_size() -> None:
    # Ledig et al. 2017, Fig. 4 with one PReLU slope per layer: the "1.5 M" (1,549,462) of later comparisons
    assert num_parameters(SRResNet(4, num_blocks=16, num_features=64)) == 1_549_462


def test_srresnet_as_published_names_no_variant() -> None:
    assert SRResNet(4, num_blocks=16, num_features=64).variant == ""


@pytest.mark.parametrize("scale", [1, 5, 6])
def test_srresnet_refuses_scales_without_stages(scale: int) -> None:
    with pytest.raises(SrlabError, match="set `scale` to 2, 3, 4 or 8"):
        SRResNet(scale, num_blocks=1, num_features=4)


def test_srresnet_enlarges_by_eight() -> None:
    assert SRResNet(8, num_blocks=1, num_features=4)(torch.rand(2, 3, 5, 3)).shape == (2, 3, 40, 24)


@pytest.mark.parametrize("base", [4, 64])
def test_discriminator_follows_the_published_layers(base: int) -> None:
    # Ledig et al. 2017, Fig. 4 at 96 px: eight 3x3 convolutions, seven batch normalisations, dense 1024, dense 1
    widths = [base, base, 2 * base, 2 * base, 4 * base, 4 * base, 8 * base, 8 * base]
    convolutions = sum((9 * num_in + 1) * n for num_in, n in zip([3, *widths], widths, strict=False))
    norms = sum(2 * n for n in widths[1:])
    dense = (6 * 6 * 8 * base + 1) * 16 * base + 16 * base + 1
    assert num_parameters(Discriminator(96, base)) == convolutions + norms + dense


def test_discriminator_halves_the_image_four_times() -> None:
    strides = [layer.stride[0] for layer in Discriminator(96, 4).features if isinstance(layer, nn.Conv2d)]
    assert strides == [1, 2, 1, 2, 1, 2, 1, 2]


@pytest.mark.parametrize("patch_size", [16, 32, 96])
def test_discriminator_gives_one_logit_per_image(patch_size: int) -> None:
    assert Discriminator(patch_size, base=4)(torch.rand(3, 3, patch_size, patch_size)).shape == (3, 1)


@pytest.mark.parametrize("patch_size", [0, 8, 40, 100])
def test_discriminator_refuses_patches_it_cannot_halve_four_times(patch_size: int) -> None:
    with pytest.raises(SrlabError, match="multiple of 16"):
        Discriminator(patch_size, base=4)


def test_discriminator_refuses_patches_of_another_size() -> None:
    with pytest.raises(SrlabError, match="built for 32 px patches, got 48x32"):
        Discriminator(32, base=4)(torch.rand(1, 3, 48, 32))


def test_gradients_reach_every_parameter_of_the_discriminator() -> None:
    net = Discriminator(32, base=4).eval()  # in train mode a batch normalisation cancels the bias before it
    net(torch.rand(2, 3, 32, 32)).sum().backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in net.parameters())


def test_discriminator_sees_mid_grey_as_zero() -> None:
    net = Discriminator(16, base=4)
    seen: list[torch.Tensor] = []
    net.features.register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    net(torch.full((2, 3, 16, 16), 0.5))
    assert not seen[0].any()  # [0, 1] to [-1, 1], Ledig et al. sec. 3.2
