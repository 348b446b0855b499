"""Clipped SGD against the rule of Kim et al. 2016, sec. 3.2, worked out by hand."""

from typing import Any

import pytest
import torch
from torch import Tensor

from srlab.training.optimizers import ClippedSGD

GRADIENT = [3.0, -0.5, 0.04, 0.0]


def weights() -> Tensor:
    return torch.tensor([1.0, 2.0, 3.0, 4.0], dtype=torch.float64, requires_grad=True)


# clip / lr = 0.02 / 0.1 = 0.2: steps of 0.1 * (0.2, -0.2, 0.04, 0); 0.02 / 0.001 = 20 is wider than all of GRADIENT
CLIPPED, UNCLIPPED = [0.98, 2.02, 2.996, 4.0], [0.997, 2.0005, 2.99996, 4.0]


@pytest.mark.parametrize("with_closure", [False, True])
def test_each_element_is_cut_to_the_threshold_over_the_rate_of_its_group(with_closure: bool) -> None:
    """Also where forward and backward run inside the optimizer's step, as Lightning steps."""
    fast, slow = weights(), weights()
    groups = [{"params": [fast], "lr": 0.1}, {"params": [slow], "lr": 0.001}]
    optimizer = ClippedSGD(groups, lr=0.1, momentum=0.0, weight_decay=0.0, clip=0.02)

    def closure() -> Tensor:
        loss = ((fast + slow) * torch.tensor(GRADIENT, dtype=torch.float64)).sum()
        loss.backward()
        return loss

    if with_closure:
        loss: Any = optimizer.step(closure)
        assert loss.item() == pytest.approx(2 * (3.0 - 1.0 + 0.12))
    else:
        closure()
        optimizer.step()
    assert fast.tolist() == pytest.approx(CLIPPED, abs=1e-12)
    assert slow.tolist() == pytest.approx(UNCLIPPED, abs=1e-12)


def test_momentum_and_weight_decay_come_after_the_clipping() -> None:
    w, expected, velocity = weights(), [1.0, 2.0, 3.0, 4.0], [0.0] * 4
    optimizer = ClippedSGD([w], lr=0.1, momentum=0.9, weight_decay=0.01, clip=0.02)
    for _ in range(3):
        w.grad = torch.tensor(GRADIENT, dtype=torch.float64)
        optimizer.step()
        for i, gradient in enumerate(GRADIENT):
            clipped = min(max(gradient, -0.2), 0.2)
            velocity[i] = 0.9 * velocity[i] + clipped + 0.01 * expected[i]
            expected[i] -= 0.1 * velocity[i]
    assert w.tolist() == pytest.approx(expected, abs=1e-12)
