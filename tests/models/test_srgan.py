"""SRGAN's two networks, where their own papers say more than a size."""

import pytest
import torch
from torch import nn

from srlab.adversarial.discriminator import Discriminator
from srlab.errors import SrlabError
from srlab.models.srresnet import SRResNet


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
    net = Discriminator(96, base)
    assert sum(parameter.numel() for parameter in net.parameters()) == convolutions + norms + dense
    strides = [layer.stride[0] for layer in net.features if isinstance(layer, nn.Conv2d)]
    assert strides == [1, 2, 1, 2, 1, 2, 1, 2]


@pytest.mark.parametrize("patch_size", [16, 96])
def test_discriminator_gives_one_logit_per_image(patch_size: int) -> None:
    assert Discriminator(patch_size, base=4)(torch.rand(3, 3, patch_size, patch_size)).shape == (3, 1)


@pytest.mark.parametrize("patch_size", [0, 8, 100])
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
