"""What a method may assume of a degradation, and the linear part of it that methods invert."""

import numpy as np
import pytest
import torch

from srlab.degradation.imaging import Bicubic, DrawnImaging, Imaging, degrade, degrade_noiseless

OFF = {"min": 0, "max": 0}
STRENGTHS = ("shift", "rotation", "sigma", "anisotropy", "length", "peak", "noise", "quality")
LINEAR = {
    "shift_right": 0.7,
    "shift_down": -0.4,
    "rotation": 1.5,
    "sigma": 1.1,
    "anisotropy": 0.3,
    "sigma_angle": 20.0,
    "length": 2.5,
    "length_angle": 40.0,
}


def imaging(kernel: str | None = None, **on) -> Imaging:
    ranges = {key: {"min": low, "max": high} for key, (low, high) in on.items()}
    return Imaging(2, 0, "bicubic", kernel=kernel, **(dict.fromkeys(STRENGTHS, OFF) | ranges))


def test_it_is_the_middle_of_blur_and_noise_and_nothing_with_a_direction() -> None:
    ranges = {"shift": (0, 1), "rotation": (-1, 2), "sigma": (0.2, 2.0), "anisotropy": (0, 0.5), "length": (0, 3)}
    noise = {"peak": (100, 300), "noise": (0, 5), "quality": (50, 90)}
    found = imaging(**ranges, **noise).nominal()
    assert found.parameters == {"sigma": pytest.approx(1.1), "peak": 200, "noise": 2.5}
    assert (found.scale, found.method, found.kernel) == (2, "bicubic", None)
    assert imaging().nominal() == Bicubic(2).nominal() == DrawnImaging(2, "bicubic", {})


def test_the_kernel_file_is_known_for_every_image(tmp_path) -> None:
    np.save(tmp_path / "kernel.npy", np.ones((3, 5)))
    model = imaging(str(tmp_path / "kernel.npy"))
    found = model.nominal()
    assert found.parameters == model.draw("any").parameters
    assert found.kernel is not None
    assert found.kernel.shape == (3, 5)


@pytest.mark.parametrize("terms", [{}, {"noise": 3.0}, {"peak": 400.0}, {"peak": 900.0, "noise": 1.0}])
def test_the_variance_is_that_of_what_is_drawn(terms: dict[str, float]) -> None:
    ramp = np.linspace(0.45, 0.55, 400 * 400).reshape(400, 400, 1)  # mid-grey, but between the levels evenly
    draw = DrawnImaging(1, "bicubic", {**terms, "noise_seed": 7})
    x = torch.from_numpy(ramp).permute(2, 0, 1)[None]
    error = (degrade(x, [draw]) * 255).round() / 255 - x
    # 160,000 samples: the relative standard error of a variance is sqrt(2 / 160,000) = 0.35 %
    assert error.var().item() == pytest.approx(draw.variance, rel=0.02)


@pytest.mark.parametrize("scale", [2, 3])
def test_what_is_observed_without_noise_is_expected(scale: int) -> None:
    x = torch.rand(2, 3, 8 * scale, 9 * scale, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    draws = [DrawnImaging(scale, "bicubic", LINEAR), DrawnImaging(scale, "bicubic", {"sigma": 0.5})]
    assert torch.equal(degrade(x, draws), degrade_noiseless(x, draws, scene_dtype=torch.float32))


def test_what_is_expected_is_linear() -> None:
    generator = torch.Generator().manual_seed(0)
    x, y = torch.rand(2, 1, 1, 24, 30, dtype=torch.float64, generator=generator)
    draws = [DrawnImaging(2, "bicubic", LINEAR)]
    both, one, other = (degrade_noiseless(image, draws, torch.float64) for image in (3 * x - 2 * y, x, y))
    torch.testing.assert_close(both, 3 * one - 2 * other, rtol=0, atol=1e-12)  # float64 rounding of values below 5
