"""PSNR and SSIM against analytic cases and scikit-image."""

import math

import kornia
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import data
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from srlab.errors import SrlabError
from srlab.evaluation.metrics.psnr import psnr
from srlab.evaluation.metrics.ssim import ssim

EXACT = 1e-10  # float64 sums of a few hundred thousand terms: ten digits remain whatever the order of summation


def noise(seed: int, *shape: int) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def scikit_ssim(first: np.ndarray, second: np.ndarray) -> float:
    """Mean of scikit-image's map over the pixels whose 11x11 window lies inside the image."""
    full = structural_similarity(
        first, second, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=1.0, full=True
    )[1]
    return float(full[5:-5, 5:-5].mean())


@pytest.mark.parametrize("channels", [1, 3])
def test_psnr_equals_scikit_images_on_an_image_of_several_strips(channels: int) -> None:
    sr, hr = noise(7, 1, channels, 300, 400), noise(8, 1, channels, 300, 400)
    expected = peak_signal_noise_ratio(hr.numpy(), sr.numpy(), data_range=1.0)  # over all channels
    assert psnr(sr, hr, 0).item() == pytest.approx(expected, abs=EXACT)
    assert psnr(hr, hr, 0).item() == math.inf


def test_psnr_is_taken_per_image_and_not_over_the_batch() -> None:
    hr = torch.zeros(2, 1, 16, 16)
    sr = torch.stack([hr[0] + 0.1, hr[1] + 0.001])
    # 1e-5: 0.1 and 0.001 as float32 are off by up to 5e-8 of themselves, 4e-7 dB
    assert psnr(sr, hr, 0).tolist() == pytest.approx([20.0, 60.0], abs=1e-5)


@pytest.mark.parametrize("border", [0, 4])
def test_ssim_equals_scikit_image_on_a_photo(border: int) -> None:
    hr = data.camera()[:201, :150] / 255
    sr = np.clip(hr + np.random.default_rng(0).normal(0, 0.05, hr.shape), 0, 1)
    inside = (slice(border, hr.shape[0] - border), slice(border, hr.shape[1] - border))
    ours = ssim(torch.from_numpy(sr)[None, None], torch.from_numpy(hr)[None, None], border).item()
    assert ours == pytest.approx(scikit_ssim(sr[inside], hr[inside]), abs=EXACT)


def test_ssim_of_identical_black_images_is_one() -> None:
    black = torch.zeros(1, 1, 11, 11)
    assert ssim(black, black, 0).item() == 1.0  # exact: numerator and denominator are the same product


@settings(deadline=None, max_examples=25)  # no timing in tests: the machine may be busy
@given(st.integers(0, 10**6), st.integers(1, 6), st.integers(0, 3))
def test_nothing_in_the_border_counts_and_the_first_pixel_inside_does(seed: int, border: int, turns: int) -> None:
    sr, hr = noise(seed, 1, 1, 30, 27), noise(seed + 1, 1, 1, 30, 27)
    painted = sr.rot90(turns, (2, 3)).clone()
    painted[..., :border, :] = 1 - painted[..., :border, :]  # one of the four sides
    painted = painted.rot90(-turns, (2, 3)).contiguous()
    for metric in (psnr, ssim):
        assert metric(painted, hr, border).item() == metric(sr, hr, border).item()  # the same pixels: the same bits
    painted[..., border, border] += 2  # at least 1 from hr, and sr at most 1: both lie in [0, 1]
    assert psnr(painted, hr, border) < psnr(sr, hr, border)


def test_float32_images_are_scored_in_float64() -> None:
    sr, hr = noise(3, 1, 1, 40, 40).float(), noise(4, 1, 1, 40, 40).float()
    for metric in (psnr, ssim):
        assert metric(sr, hr, 0).item() == metric(sr.double(), hr.double(), 0).item()


@pytest.mark.parametrize(("metric", "smallest"), [(psnr, 9), (ssim, 19)])
def test_an_image_too_small_for_the_border_is_refused(metric, smallest: int) -> None:
    enough, small = noise(0, 1, 1, smallest, 40), noise(0, 1, 1, smallest - 1, 40)
    assert metric(enough, 1 - enough, 4).isfinite().all()
    with pytest.raises(SrlabError, match=f"smallest usable side is {smallest}"):
        metric(small, 1 - small, 4)


@pytest.mark.parametrize("metric", [psnr, ssim])
def test_images_of_different_shapes_are_refused(metric) -> None:
    with pytest.raises(SrlabError, match="different shapes"):
        metric(noise(0, 1, 1, 20, 20), noise(0, 1, 1, 20, 21), 0)


def test_ssim_refuses_colour() -> None:
    with pytest.raises(SrlabError, match="luma"):
        ssim(noise(0, 1, 3, 20, 20), noise(1, 1, 3, 20, 20), 0)


def test_ssim_equals_kornias_over_several_strips_and_images() -> None:
    shape = (2, 1, 95, 900)  # wide: three strips of the least height
    sr, hr = noise(5, *shape), noise(6, *shape)
    expected = kornia.metrics.ssim(sr, hr, 11, max_val=1.0, eps=0.0, padding="valid").mean((1, 2, 3))
    assert ssim(sr, hr, 0).tolist() == pytest.approx(expected.tolist(), abs=EXACT)
