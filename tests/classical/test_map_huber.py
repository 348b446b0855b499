"""MAP with a Huber-Markov prior against a dense linear solve, scipy's optimizer and the published penalty."""

import numpy as np
import pytest
import scipy.optimize
import torch
from shots import rand, shots
from skimage.data import camera
from torch import Tensor

from srlab.classical.map_huber import HuberProblem, cliques
from srlab.classical.observation import Frame
from srlab.images.resample import imresize

WEIGHT, THRESHOLD = 300.0, 0.02


def frames_of(side: int, num: int) -> list[Frame]:
    image = torch.from_numpy(camera()[100 : 100 + side, 200 : 200 + side] / 255.0)[None, None]
    return shots(image, 2, 1 / 200, [1e-5 * (k + 1) for k in range(num)])


def solved(problem: HuberProblem, frames: list[Frame], iterations: int) -> list[Tensor]:
    return list(problem.solve(imresize(frames[0].lr, scale=2), iterations))


def test_cliques_are_second_differences() -> None:
    """On a polynomial whose second differences are known."""
    down, right = torch.meshgrid(torch.arange(5.0), torch.arange(6.0), indexing="ij")
    found = cliques(down**2 + 3 * right**2 + 10 * down * right + 7 * right)
    # rows 2 * 3, columns 2 * 1; along (1, -1) half of 2 * (1 + 3 - 10), along (1, 1) half of 2 * (1 + 3 + 10)
    for one, expected in zip(found, (6.0, 2.0, -6.0, 14.0), strict=True):
        assert torch.equal(one, torch.full((3, 4), expected))


def test_a_gaussian_prior_is_a_linear_system() -> None:
    side = 10
    frames = frames_of(side, 3)
    units = torch.eye(side * side, dtype=torch.float64).reshape(-1, 1, side, side)
    bends = cliques(units).transpose(0, 1).flatten(1).T
    system, right = 2 * WEIGHT * bends.T @ bends, torch.zeros(side * side, dtype=torch.float64)
    for frame in frames:
        a = frame.operator.forward(units).flatten(1).T
        system += a.T @ a / frame.variance
        right += a.T @ frame.lr.flatten() / frame.variance
    expected = torch.linalg.solve(system, right).reshape(1, 1, side, side)
    found = solved(HuberProblem(frames, WEIGHT, float("inf"), floor=0.0), frames, 1500)[-1]
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-8)  # what the condition of 1e4 leaves at float64


def test_the_penalty_is_the_published_one() -> None:
    """u^2 up to the threshold T, then T^2 + 2 T (|u| - T)."""
    frames = frames_of(8, 1)
    problem, plain = (HuberProblem(frames, weight, 0.1, floor=0.0) for weight in (1.0, 0.0))
    for height, rho in ((0.05, 0.05**2), (0.1, 0.01), (0.3, 0.01 + 0.2 * 0.2)):
        x = torch.zeros(1, 1, 8, 8, dtype=torch.float64)
        x[..., 3:] = height  # an edge: rows bend by +-height in two columns of the inner 6 x 6, diagonals by half
        prior = (problem.objective(x) - plain.objective(x)).item() / problem.data.unit
        assert prior == pytest.approx(2 * 6 * (_rho(height) + 2 * _rho(height / 2)), rel=1e-9)
        assert _rho(height) == pytest.approx(rho)


def _rho(u: float) -> float:
    return u * u if u <= 0.1 else 0.01 + 0.2 * (u - 0.1)


def test_the_gradient_is_autograds() -> None:
    frames = frames_of(12, 3)
    problem = HuberProblem(frames, WEIGHT, THRESHOLD, floor=1.0)
    x = rand(1, 1, 12, 12).requires_grad_()
    (expected,) = torch.autograd.grad(problem.objective(x).sum(), x)
    torch.testing.assert_close(problem.gradient(x.detach()), expected, rtol=1e-9, atol=1e-12)  # float64


def test_the_minimum_is_scipys() -> None:
    frames = frames_of(16, 3)
    problem = HuberProblem(frames, WEIGHT, THRESHOLD, floor=0.0)

    def value_and_slope(flat: np.ndarray) -> tuple[float, np.ndarray]:
        x = torch.from_numpy(flat).reshape(1, 1, 16, 16)
        return problem.objective(x).item() * 1e4, problem.gradient(x).numpy().ravel() * 1e4

    start = imresize(frames[0].lr, scale=2)
    options = {"maxiter": 5000, "maxfun": 10000, "ftol": 1e-15, "gtol": 1e-10}
    best = scipy.optimize.minimize(value_and_slope, start.numpy().ravel(), jac=True, method="L-BFGS-B", options=options)
    found = solved(problem, frames, 1500)[-1]
    assert problem.objective(found).item() <= best.fun / 1e4 * (1 + 1e-9)  # the lower the better: scipy stops first
    np.testing.assert_allclose(found.numpy().ravel(), best.x, atol=1e-4)


def test_the_objective_falls_and_so_does_its_gradient() -> None:
    frames = frames_of(32, 3)
    problem = HuberProblem(frames, WEIGHT, THRESHOLD, floor=0.0)
    iterates = solved(problem, frames, 1000)
    values = [problem.objective(x).item() for x in iterates[9:200:10]]
    assert values == sorted(values, reverse=True)
    best = problem.objective(iterates[-1]).item()
    assert problem.objective(iterates[99]).item() < 1.01 * best  # as many iterations as the pipeline makes
    slopes = [problem.gradient(iterates[k]).norm().item() for k in (0, 99, 999)]
    assert slopes[1] < 0.05 * slopes[0]
    assert slopes[2] < 1e-6 * slopes[0]
