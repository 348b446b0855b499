"""Projection onto convex sets: that they are projections, and that a round never leads away from the intersection."""

import math

import numpy as np
import pytest
import scipy.fft
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from shots import rand, shots
from torch import Tensor

from srlab.classical.observation import Frame
from srlab.classical.pocs import POCS, bandlimited
from srlab.degradation.imaging import Bicubic
from srlab.errors import SrlabError

SIGMA = 2 / 255


@pytest.mark.parametrize("cutoff", [0.3, 0.5, 1.0, 2.0])
def test_bandlimiting_is_cutting_scipys_cosine_transform(cutoff: float) -> None:
    x = rand(20, 30).numpy()
    spectrum = scipy.fft.dctn(x, norm="ortho")
    spectrum[round(20 * cutoff) :] = 0
    spectrum[:, round(30 * cutoff) :] = 0
    found = bandlimited(torch.from_numpy(x)[None, None], cutoff)[0, 0].numpy()
    np.testing.assert_allclose(found, scipy.fft.idctn(spectrum, norm="ortho"), atol=1e-12)  # float64


def scene() -> Tensor:
    """(1, 1, 24, 32) in (0, 1), of frequencies below 0.3."""
    waves = bandlimited(rand(1, 1, 24, 32, seed=3) - 0.5, 0.3)
    return 0.5 + 0.4 * waves / waves.abs().max()


def frames(x: Tensor, noise: float, num: int) -> list[Frame]:
    """Noise of at most `noise` standard deviations, so that x is in the data sets of that bound."""
    return shots(x, 2, noise * SIGMA, [SIGMA**2] * num)


def pocs(iterations: int, bound: float = 1.0, relaxation: float = 1.0, cutoff: float = 0.6) -> POCS:
    return POCS(Bicubic(2), "POCS", iterations, bound, cutoff, relaxation)


@pytest.mark.parametrize("num", [1, 4])
@given(noise=st.floats(0, 1), relaxation=st.floats(0.1, 1.9), seed=st.integers(0, 99))
@settings(max_examples=15, deadline=None)
def test_no_step_leads_away_from_an_image_in_all_sets(num: int, noise: float, relaxation: float, seed: int) -> None:
    """Fejer monotone: what makes alternating projections converge, for any point of the intersection."""
    truth = scene()
    guess = rand(*truth.shape, seed=seed)
    method = pocs(1, relaxation=relaxation)
    for frame in frames(truth, noise, num):
        closer = method.project(guess, frame)
        assert (closer - truth).norm() <= (guess - truth).norm() + 1e-12  # float64
        guess = closer
    limited = bandlimited(guess, 0.3)
    assert (limited - truth).norm() <= (guess - truth).norm() + 1e-12


@pytest.mark.parametrize("num", [1, 4])
def test_rounds_end_in_all_sets(num: int) -> None:
    truth = scene()
    given = frames(truth, 0.5, num)
    found = pocs(300, relaxation=1.9).reconstruct(given)
    for frame in given:
        excess = (frame.operator.forward(found) - frame.lr).abs().max() / SIGMA
        assert excess < 1.02  # bound is 1; the approach is geometric, and 300 rounds leave less than 1 %
    # clamping comes last and does nothing here, so that the band is still limited
    torch.testing.assert_close(bandlimited(found, 0.3), found, rtol=0, atol=1e-12)
    assert 0 <= found.min() <= found.max() <= 1


def test_an_image_in_all_sets_stays() -> None:
    truth = scene()
    method = pocs(1)
    for frame in frames(truth, 0.9, 4):
        assert torch.equal(method.project(truth, frame), truth)


def test_the_bound_is_in_standard_deviations() -> None:
    frame = frames(scene(), 0.0, 1)[0]
    outside = Frame(frame.lr + 3 * SIGMA, frame.operator, SIGMA**2)
    moved = {
        bound: (pocs(1, bound).project(scene(), outside) - scene()).norm().item() for bound in (0.0, 1.0, 2.0, 3.1)
    }
    assert moved[3.1] == 0
    assert math.isclose(moved[0.0] / 3, moved[2.0], rel_tol=1e-9)  # what exceeds the bound: 3, 2, 1 and 0 sigma
    assert math.isclose(moved[1.0] / 2, moved[2.0], rel_tol=1e-9)


@pytest.mark.parametrize("relaxation", [0.0, 2.0])
def test_a_relaxation_that_does_not_converge_is_refused(relaxation: float) -> None:
    with pytest.raises(SrlabError, match="0 < relaxation < 2"):
        pocs(5, relaxation=relaxation)
