"""SRGAN's losses equal their definitions, computed by numpy in double precision."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from srlab.adversarial.losses import MSEContent, adversarial_loss, discriminator_loss, r1_penalty

# Beyond these, the naive formulas below lose their digits in 1 - D.
logits = st.lists(st.floats(-15, 15, width=32), min_size=1, max_size=6)

# The losses are float32, and torch adds log(1 + exp(-|x|)) to the logit before it takes the logit off again: half a
# unit in the last place of a logit below 16, 4.8e-7, is lost in each of two terms however small the result.
float32 = {"rel": 2e-6, "abs": 1e-6}


def column(values: list[float]) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)[:, None]


def probability(values: list[float]) -> np.ndarray:
    return 1 / (1 + np.exp(-np.array(values)))


@given(logits, logits, st.just(0.0) | st.floats(0, 0.5))
def test_the_discriminator_loss_is_equation_2(real: list[float], fake: list[float], smoothing: float) -> None:
    """With the target 1 - smoothing for photographs alone (Salimans et al. 2016, sec. 3.4)."""
    d = probability(real)
    first = -((1 - smoothing) * np.log(d) + smoothing * np.log(1 - d)).mean()
    expected = first - np.log(1 - probability(fake)).mean()
    assert discriminator_loss(column(real), column(fake), smoothing).item() == pytest.approx(expected, **float32)


@given(logits)
def test_the_adversarial_loss_is_equation_6(fake: list[float]) -> None:
    assert adversarial_loss(column(fake)).item() == pytest.approx(-np.log(probability(fake)).mean(), **float32)


@pytest.mark.parametrize("autocast", [False, True])
def test_logits_in_16_bit_are_judged_in_float32(autocast: bool) -> None:
    real, fake = torch.tensor([[3.1], [0.2]]).bfloat16(), torch.tensor([[-2.7], [0.4]]).bfloat16()
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        losses = discriminator_loss(real, fake, 0.1), adversarial_loss(fake)
    exact = discriminator_loss(real.double(), fake.double(), 0.1), adversarial_loss(fake.double())
    assert [loss.dtype for loss in losses] == [torch.float32] * 2
    assert [loss.item() for loss in losses] == pytest.approx([loss.item() for loss in exact], rel=1e-6)  # 16 bit: 4e-3


def images(dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.rand(3, 3, 16, 16, generator=torch.Generator().manual_seed(0)).to(dtype)


@pytest.mark.parametrize("training", [True, False])
def test_r1_is_what_finite_differences_say_and_can_be_minimized(training: bool) -> None:
    """In training mode, too, where an image changes the normalisation of the others."""
    torch.manual_seed(0)
    layers = (nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.LeakyReLU(0.2), nn.Flatten(), nn.Linear(4 * 2 * 2, 1))
    net = nn.Sequential(*layers).double().train(training)
    hr, step = images(torch.float64)[..., :4, :4].contiguous(), 1e-6
    with torch.no_grad():

        def slope(index: int) -> float:
            nudge = torch.zeros_like(hr)
            nudge.view(-1)[index] = step
            return ((net(hr + nudge).sum() - net(hr - nudge).sum()) / (2 * step)).item()

        slopes = np.array([slope(index) for index in range(hr.numel())]).reshape(3, -1)
    # Central differences in float64: logits near 1 with 16 digits, divided by 2e-6.
    penalty = r1_penalty(net, hr)
    assert penalty.item() == pytest.approx(np.square(slopes).sum(1).mean(), rel=1e-6)
    penalty.backward()
    # A bias before a batch normalisation, and that of the output, have no part in the slope.
    assert all(one.grad is not None and one.grad.any() for name, one in net.named_parameters() if "bias" not in name)


def test_r1_runs_in_full_precision_and_leaves_the_images_alone() -> None:
    torch.manual_seed(0)
    net, hr = nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 16, 1)), images()
    expected = r1_penalty(net, hr)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(r1_penalty(net, hr), expected)
    assert not hr.requires_grad
    assert hr.grad is None


def test_a_lost_game_has_a_finite_gradient() -> None:
    """Through a sigmoid, the gradient at such a logit would be 0 and the loss infinite."""
    logit = torch.tensor([[-200.0]], requires_grad=True)
    adversarial_loss(logit).backward()
    assert logit.grad is not None
    assert logit.grad.item() == pytest.approx(-1)


def test_mse_content_is_measured_on_minus_one_to_one_and_in_float32() -> None:
    sr, hr = images().bfloat16(), images().flip(0).bfloat16()
    found = MSEContent()(sr, hr)
    assert found.dtype == torch.float32
    expected = ((2 * sr.double() - 1) - (2 * hr.double() - 1)).square().mean().item()
    assert found.item() == pytest.approx(expected, rel=1e-5)  # float32; 16 bit would be off by up to 4e-3
