"""SRGAN's losses equal their definitions, computed by numpy in double precision."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from srlab.errors import SrlabError
from srlab.training.losses import MSEContent, VGGContent, adversarial_loss, discriminator_loss

# Beyond these, the naive formulas below lose their digits in 1 - D.
logits = st.lists(st.floats(-15, 15, width=32), min_size=1, max_size=6)


def column(values: list[float]) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)[:, None]


def probability(values: list[float]) -> np.ndarray:
    return 1 / (1 + np.exp(-np.array(values)))


@given(logits, logits)
def test_the_discriminator_loss_is_equation_2(real: list[float], fake: list[float]) -> None:
    expected = -np.log(probability(real)).mean() - np.log(1 - probability(fake)).mean()
    assert discriminator_loss(column(real), column(fake)).item() == pytest.approx(expected, rel=1e-6)


@given(logits)
def test_the_adversarial_loss_is_equation_6(fake: list[float]) -> None:
    assert adversarial_loss(column(fake)).item() == pytest.approx(-np.log(probability(fake)).mean(), rel=1e-6)


def test_an_undecided_discriminator_costs_log_4() -> None:
    assert discriminator_loss(column([0.0]), column([0.0])).item() == pytest.approx(np.log(4))


def test_a_lost_game_has_a_finite_gradient() -> None:
    """Through a sigmoid, the gradient at such a logit would be 0 and the loss infinite."""
    logit = torch.tensor([[-200.0]], requires_grad=True)
    adversarial_loss(logit).backward()
    assert logit.grad is not None
    assert logit.grad.item() == pytest.approx(-1)


def test_mse_content_is_measured_on_minus_one_to_one() -> None:
    sr, hr = np.random.default_rng(0).random((2, 2, 3, 4, 5))
    expected = np.square((2 * sr - 1) - (2 * hr - 1)).mean()
    assert MSEContent()(torch.tensor(sr), torch.tensor(hr)).item() == pytest.approx(expected)


def test_vgg_content_without_weights_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SrlabError, match="holds no VGG-19 weights: run `dvc repro`"):
        VGGContent(str(tmp_path), "vgg54")
