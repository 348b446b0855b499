"""MAP with total variation: a case that can be solved by hand, and the certificate of how far the solver has come."""

import numpy as np
import pytest
import torch
from shots import shots
from skimage.data import camera
from torch import Tensor

from srlab.classical.map_tv import MapTV, TVProblem, divergence
from srlab.classical.observation import Frame, observation
from srlab.degradation.imaging import Bicubic, DrawnImaging
from srlab.images.resample import imresize

ENOUGH = 2000  # iterations after which next to nothing changes any more


def solved(problem: TVProblem, x: Tensor, iterations: int) -> list[tuple[Tensor, Tensor]]:
    return list(problem.solve(x, iterations))


def photo() -> Tensor:
    return torch.from_numpy(camera()[100:130, 200:230] / 255.0)[None, None]


def frames(num: int) -> list[Frame]:
    """Noise of one grey level, and less trust in later frames."""
    return shots(photo(), 3, 3**0.5 / 255, [(k + 1) / 255**2 for k in range(num)])


def gap(problem: TVProblem, x: Tensor, p: Tensor) -> Tensor:
    """A bound of objective(x) - its minimum: the objective less the dual function at p and r = Ax - y, which is

    -sum over frames of trust * (|r|^2 / 2 + <r, y>) + min over 0 <= z <= 1 of <A'r - div p, z>.
    """
    residuals = problem.data.residuals(x)
    slope = problem.data.gradient(residuals) - divergence(p)
    pairs = zip(problem.data.frames, residuals, strict=True)
    dual = -sum(trust * (r.square() / 2 + r * lr).sum() for (trust, _, lr), r in pairs)
    return problem.objective(x) - dual - slope.clamp(max=0).sum()


def test_two_flat_halves_come_closer_by_a_known_step() -> None:
    """Without reduction (scale 1) this is Rudin, Osher and Fatemi's denoising: halves move by weight * edge / area."""
    y = torch.full((1, 1, 8, 12), 0.3, dtype=torch.float64)
    y[..., 6:] = 0.8
    variance, weight = 0.01, 20.0
    problem = TVProblem([Frame(y, observation(DrawnImaging(1, "bicubic", {})), variance)], weight, floor=0.0)
    found, dual = solved(problem, y, ENOUGH)[-1]
    assert gap(problem, found, dual) < 1e-6
    step = variance * weight * 8 / (8 * 6)  # an edge of 8 px between areas of 8 x 6 px
    expected = y + torch.where(y < 0.5, step, -step)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("num", [1, 3])
def test_the_gap_bounds_how_far_the_optimum_is(num: int) -> None:
    problem = TVProblem(frames(num), 8.0, floor=0.0)
    iterates = solved(problem, imresize(frames(1)[0].lr, scale=3), ENOUGH)
    best = problem.objective(iterates[-1][0])
    for x, p in iterates[:: ENOUGH // 20]:
        # `best` itself is not exactly the minimum
        assert -1e-9 * best <= problem.objective(x) - best <= gap(problem, x, p) + 1e-9 * best
    gaps = [gap(problem, x, p).item() for x, p in (iterates[ENOUGH // 10 - 1], iterates[-1])]
    assert gaps[1] < 0.01 * best.item()
    assert gaps[1] < gaps[0] / 5  # it falls as 1 / iterations at least; measured: by a factor of 90 and more


def test_the_objective_falls_and_is_near_its_minimum_soon() -> None:
    problem = TVProblem(frames(3), 8.0, floor=0.0)
    start = imresize(frames(1)[0].lr, scale=3)
    iterates = solved(problem, start, ENOUGH)
    values = [problem.objective(iterates[k][0]).item() for k in (0, 4, 9, 24, 49, 99, 199)]
    assert values == sorted(values, reverse=True)
    best = problem.objective(iterates[-1][0]).item()
    assert values[-2] < 1.02 * best  # within 2 % after 100 iterations, as many as the pipeline makes


def test_pixels_stay_in_range() -> None:
    y = torch.zeros(1, 1, 8, 8)
    y[..., 4:] = 1
    found = MapTV(Bicubic(3), "MAP-TV", 60, 1.0, 1.0).upscale(y, 3)
    assert (found.min(), found.max()) == (0, 1)


def test_a_noisier_frame_counts_for_less() -> None:
    operator = observation(DrawnImaging(1, "bicubic", {}))
    dark, bright = (torch.full((1, 1, 2, 2), grey, dtype=torch.float64) for grey in (0.2, 0.8))
    problem = TVProblem([Frame(dark, operator, 0.01), Frame(bright, operator, 0.03)], 1.0, floor=0.0)
    found, _ = solved(problem, dark, 500)[-1]
    # the mean weighted by 1 / variance: 3 to 1
    torch.testing.assert_close(found, torch.full_like(found, 0.35), rtol=0, atol=1e-9)


def test_the_floor_adds_to_the_variance() -> None:
    plain = frames(1)
    higher = [Frame(frame.lr, frame.operator, frame.variance + (2 / 255) ** 2) for frame in plain]
    x = photo()
    one, other = TVProblem(plain, 8.0, floor=2.0), TVProblem(higher, 8.0, floor=0.0)
    assert one.objective(x).item() == pytest.approx(other.objective(x).item(), rel=1e-12)  # float64
    assert not np.isclose(one.objective(x).item(), TVProblem(plain, 8.0, floor=0.0).objective(x).item())
