"""DRCN: its recursions, what they are weighed with, its start and its loss."""

import math
import weakref

import pytest
import torch
from torch import Tensor, nn

from srlab.images.resample import imresize
from srlab.models.drcn import DRCN


def drcn(scale: int = 2, num_recursions: int = 3, num_features: int = 8, alpha_epochs: int = 4) -> DRCN:
    torch.manual_seed(0)
    return DRCN(scale, num_recursions, num_features, alpha_epochs)


def stirred(net: DRCN) -> DRCN:
    """`net` with a recursion that changes something, and unequal shares."""
    nn.init.kaiming_normal_(net.recursion.weight)
    net.shares.data = torch.linspace(-0.2, 0.9, len(net.shares))
    return net


def by_hand(net: DRCN, enlarged: Tensor) -> list[Tensor]:
    """Every prediction in float64, from the filters alone (sec. 3.1 and 3.2)."""

    def filtered(x: Tensor, layer: nn.Module, with_relu: bool) -> Tensor:
        assert isinstance(layer, nn.Conv2d)
        assert layer.bias is not None
        patches = nn.functional.unfold(x, 3, padding=1)  # (B, 9 * C, H * W)
        y = layer.weight.double().flatten(1) @ patches + layer.bias.double()[:, None]
        y = y.view(len(x), -1, *x.shape[-2:])
        return y.clamp_min(0) if with_relu else y

    features = enlarged.double()
    for position in (0, 2):
        features = filtered(features, net.embedding[position], True)
    predictions = []
    for _ in net.shares:
        features = filtered(features, net.recursion, True)
        inner = filtered(features, net.reconstruction[0], True)
        predictions.append(enlarged.double() + filtered(inner, net.reconstruction[2], False))
    return predictions


@pytest.fixture
def pair() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.rand(2, 1, 5, 4, generator=generator), torch.rand(2, 1, 10, 8, generator=generator)


def test_recursions_predict_by_the_same_layers_and_the_output_is_their_weighted_sum(
    pair: tuple[Tensor, Tensor],
) -> None:
    net, enlarged = stirred(drcn()), imresize(pair[0], scale=2)
    expected = torch.stack(by_hand(net, enlarged))
    found = torch.stack(list(net.predictions(enlarged)))
    assert torch.allclose(found.double(), expected, rtol=1e-4, atol=1e-5)  # float32 against float64
    output = (net.shares.double().view(-1, 1, 1, 1, 1) * expected).sum(0)
    assert torch.allclose(net(pair[0]).double(), output, rtol=1e-4, atol=1e-5)  # likewise


@pytest.mark.parametrize("scale", [2, 3])
def test_without_a_reconstruction_the_output_is_bicubic(scale: int) -> None:
    net = drcn(scale, num_recursions=4).double()  # quarters are exact
    nn.init.zeros_(net.reconstruction[2].weight)  # pyright: ignore[reportArgumentType]
    lr = torch.rand(1, 1, 6, 5, dtype=torch.float64)
    # the mean of equal predictions, in float64
    assert torch.allclose(net(lr), imresize(lr, scale=scale), rtol=0, atol=1e-15)


def test_the_recursion_starts_as_the_identity(pair: tuple[Tensor, Tensor]) -> None:
    first, *others = drcn().predictions(imresize(pair[0], scale=2))
    assert all(torch.equal(first, other) for other in others)


def test_the_other_layers_start_as_he_s_and_the_sum_as_a_mean() -> None:
    net = drcn(num_recursions=16, num_features=128)
    for layer in (net.embedding[2], net.reconstruction[0]):
        assert isinstance(layer, nn.Conv2d)
        # He et al. 2015, eq. 10, of 147,456 draws: 5 standard errors
        assert layer.weight.std().item() == pytest.approx(math.sqrt(2 / (9 * 128)), rel=0.01)
    assert net.shares.tolist() == [1 / 16] * 16
    biases = [bias for name, bias in net.named_parameters() if name.endswith("bias")]
    assert len(biases) == 5
    assert not any(bias.any() for bias in biases)


@pytest.mark.parametrize(("epoch", "alpha"), [(0, 1.0), (1, 0.75), (9, 0.0)])
def test_the_training_loss_goes_over_from_the_recursions_to_the_output(
    pair: tuple[Tensor, Tensor], epoch: int, alpha: float
) -> None:
    net = stirred(drcn(alpha_epochs=4))
    predictions = torch.stack(by_hand(net, imresize(pair[0], scale=2)))
    output = (net.shares.detach().double().view(-1, 1, 1, 1, 1) * predictions).sum(0)
    # eq. 8 and 9: 1 / (2 D N) and 1 / (2 N) before sums over D recursions, N patches and all pixels
    each = (predictions - pair[1]).square().sum().item() / (2 * 3 * 2)
    final = (output - pair[1]).square().sum().item() / (2 * 2)
    expected = alpha * each + (1 - alpha) * final
    assert net.training_loss(*pair, epoch).item() == pytest.approx(expected, rel=1e-4)  # float32 against float64


def test_an_image_without_gradients_holds_one_recursion_at_a_time() -> None:
    """The published network on a photo would otherwise keep 16 times 256 feature maps."""
    net = drcn(num_recursions=6)
    alive: list[int] = []
    references: list[weakref.ref[Tensor]] = []

    def watch(module: nn.Module, args: tuple[Tensor], output: Tensor) -> None:
        references.append(weakref.ref(output))
        alive.append(sum(reference() is not None for reference in references))

    net.recursion.register_forward_hook(watch)
    net.upscale(torch.rand(1, 1, 4, 4), 2)
    assert len(alive) == 6
    assert max(alive) <= 2
