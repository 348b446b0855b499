"""Weights of neighbours against scipy and against a system solved one patch at a time."""

import numpy as np
import pytest
import torch
from scipy.optimize import nnls
from torch import Tensor

from srlab.examples.weights import TINY, locally_linear, non_negative


def problems(count: int, neighbours: int, size: int, spread: float, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Features and unit neighbours that lie about `spread` away from the direction of theirs, some on its far side."""
    generator = torch.Generator().manual_seed(seed)

    def random(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    features = random(count, size)
    near = features[:, None] * random(count, neighbours, 1).sign() + spread * random(count, neighbours, size)
    return features, near / near.norm(dim=2, keepdim=True)


@pytest.mark.parametrize("spread", [0.1, 1.0, 10.0])
def test_non_negative_weights_are_those_of_scipy(spread: float) -> None:
    features, near = problems(100, 24, 31, spread)
    expected = [nnls(rows.T.numpy(), feature.numpy())[0] for rows, feature in zip(near, features, strict=True)]
    # The tiny ridge of 1e-9 moves a weight by about that, times the condition of neighbours that nearly coincide.
    np.testing.assert_allclose(non_negative(features, near).numpy(), expected, atol=1e-5)


def test_more_neighbours_than_dimensions_leave_as_little_as_scipy_does() -> None:
    """The weights are not unique then; what they leave of the feature is, but for what the tiny ridge costs."""
    features, near = problems(200, 24, 9, 3.0)
    left = (features - (non_negative(features, near)[:, None] @ near)[:, 0]).square().sum(1)
    for square, rows, feature in zip(left.tolist(), near, features, strict=True):
        weights, rest = nnls(rows.T.numpy(), feature.numpy())
        assert square <= rest**2 + TINY * (weights**2).sum() + 1e-12  # the minimum with the ridge is no larger


def test_a_flat_patch_takes_nothing_of_its_neighbours() -> None:
    _, near = problems(3, 24, 31, 1.0)
    assert torch.equal(non_negative(torch.zeros(3, 31).double(), near), torch.zeros(3, 24).double())


def test_linear_weights_solve_the_constrained_problem() -> None:
    """min |x - sum w_i z_i|^2 + ridge trace |w|^2 with sum w = 1, by its Lagrange system, one patch at a time."""
    features, near = problems(20, 6, 9, 1.0)
    weights = locally_linear(features, near, 1e-4)
    for feature, rows, found in zip(features.numpy(), near.numpy(), weights.numpy(), strict=True):
        offsets = rows - feature
        covariance = offsets @ offsets.T
        system = np.block(
            [
                [covariance + 1e-4 * np.trace(covariance) * np.eye(6), np.ones((6, 1))],
                [np.ones((1, 6)), np.zeros((1, 1))],
            ]
        )
        np.testing.assert_allclose(found, np.linalg.solve(system, [0] * 6 + [1])[:6], rtol=1e-9)  # float64


def test_neighbours_that_are_the_feature_share_evenly() -> None:
    features, _ = problems(2, 4, 9, 1.0)
    weights = locally_linear(features, features[:, None].expand(-1, 4, -1), 1e-4)
    torch.testing.assert_close(weights, torch.full((2, 4), 0.25).double())
