"""Iterative back-projection against its own recursion written out in matrices, and against what it promises."""

import numpy as np
import pytest
import torch

from srlab.classical.ibp import IBP, gaussian
from srlab.classical.observation import Frame
from srlab.degradation.imaging import Bicubic
from srlab.errors import SrlabError
from srlab.images.resample import imresize


def matrix(n: int, scale: float) -> np.ndarray:
    """(n * scale, n) matrix of MATLAB's bicubic resize of one axis."""
    wide = torch.eye(n, dtype=torch.float64)[:, :, None].repeat(1, 1, 16)
    return imresize(wide, scale=scale)[:, :, 0].T.numpy()


@pytest.mark.parametrize("iterations", [1, 20])
def test_rounds_are_a_neumann_series(iterations: int) -> None:
    """x_n = U (sum over k <= n of (I - DU)^k) y, from x_0 = U y."""
    scale, height, width = 4, 6, 5
    up = np.kron(matrix(height, scale), matrix(width, scale))
    down = np.kron(matrix(height * scale, 1 / scale), matrix(width * scale, 1 / scale))
    y = np.random.default_rng(0).random(height * width)
    left_over = np.eye(height * width) - down @ up
    expected = up @ sum(np.linalg.matrix_power(left_over, k) @ y for k in range(iterations + 1))
    lr = torch.from_numpy(y.reshape(1, 1, height, width))
    method = IBP(Bicubic(scale), "IBP", iterations, "bicubic")
    found = method.reconstruct([Frame(lr, method.nominal, 0.0)])
    np.testing.assert_allclose(found.numpy().ravel(), expected, atol=1e-11)  # float64


@pytest.mark.parametrize("backprojection", ["bicubic", "gaussian"])
@pytest.mark.parametrize("scale", [2, 3, 8])
def test_the_result_explains_the_lr_image(backprojection: str, scale: int) -> None:
    method = IBP(Bicubic(scale), "IBP", 60, backprojection)
    lr = torch.rand(1, 1, 13, 9, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    frame = Frame(lr, method.nominal, 0.0)
    start = (method.nominal.forward(imresize(lr, scale=scale)) - lr).norm()
    left = (method.nominal.forward(method.reconstruct([frame])) - lr).norm()
    # of white noise, the slowest to fit: 1.5 % is left by the Gaussian at x2, less at other scales
    assert left < 0.02 * start


def test_the_gaussian_keeps_a_flat_residual_and_smooths_a_point() -> None:
    flat = gaussian(torch.full((1, 1, 4, 4), 0.3, dtype=torch.float64), 2)
    torch.testing.assert_close(flat, torch.full_like(flat, 0.3), rtol=0, atol=1e-12)  # weights sum to 1
    point = torch.zeros(1, 1, 9, 9, dtype=torch.float64)
    point[..., 4, 4] = 1
    assert gaussian(point, 3).max() < imresize(point, scale=3).max()


def test_an_unknown_backprojection_is_refused() -> None:
    with pytest.raises(SrlabError, match="set `backprojection` to one of bicubic, gaussian"):
        IBP(Bicubic(2), "IBP", 5, "nearest")
