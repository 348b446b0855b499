"""What other programs do under their names: Pillow and torch themselves, OpenCV's formulas written out."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from srlab.images.resample import imresize

IMAGE = np.random.default_rng(0).random((48, 72))
PILLOW = {"pil_bilinear": Image.Resampling.BILINEAR, "pil_bicubic": Image.Resampling.BICUBIC}
PILLOW["pil_lanczos"] = Image.Resampling.LANCZOS
SIZES = [(24, 36), (6, 9), (96, 144), (31, 50)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("method", PILLOW)
def test_pil_methods_are_pillows_on_floats(method: str, size: tuple[int, int]) -> None:
    expected = np.asarray(Image.fromarray(IMAGE.astype(np.float32)).resize(size[::-1], PILLOW[method]))
    # Pillow's mode F keeps float32 between the passes
    np.testing.assert_allclose(imresize(IMAGE, size=size, method=method), expected, atol=5e-7)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("method", "mode"), [("opencv_bilinear", "bilinear"), ("opencv_bicubic", "bicubic")])
def test_opencv_methods_are_torchs_without_antialias(method: str, mode: str, size: tuple[int, int]) -> None:
    expected = F.interpolate(torch.from_numpy(IMAGE)[None, None], size, mode=mode, align_corners=False)
    np.testing.assert_allclose(imresize(IMAGE, size=size, method=method), expected[0, 0].numpy(), atol=1e-12)


@pytest.mark.parametrize("size", SIZES)
def test_opencv_nearest_takes_the_top_left_pixel(size: tuple[int, int]) -> None:
    expected = F.interpolate(torch.from_numpy(IMAGE)[None, None], size, mode="nearest")[0, 0]
    np.testing.assert_array_equal(imresize(IMAGE, size=size, method="opencv_nearest"), expected.numpy())


def lanczos4(t: float) -> float:
    """interpolateLanczos4 of OpenCV's resize.cpp before it normalises: 8 taps of sinc(t) sinc(t / 4)."""
    if t == 0:
        return 1.0
    return 4 * math.sin(math.pi * t) * math.sin(math.pi * t / 4) / (math.pi * t) ** 2


@pytest.mark.parametrize("factor", [3, 4])
def test_opencv_lanczos4_is_its_formula(factor: int) -> None:
    row = IMAGE[0]
    expected = []
    for i in range(72 // factor):
        centre = (i + 0.5) * factor - 0.5
        taps = [math.floor(centre) + k for k in range(-3, 5)]
        weights = [lanczos4(centre - tap) for tap in taps]
        values = [row[min(max(tap, 0), 71)] for tap in taps]
        expected.append(sum(w * v for w, v in zip(weights, values, strict=True)) / sum(weights))
    resized = imresize(IMAGE[:1].repeat(48, 0), size=(48 // factor, 72 // factor), method="opencv_lanczos4")
    np.testing.assert_allclose(resized[0], expected, atol=1e-12)


@pytest.mark.parametrize("factor", [3, 4])
def test_area_is_the_mean_of_what_a_pixel_covers(factor: int) -> None:
    expected = IMAGE.reshape(48 // factor, factor, 72 // factor, factor).mean(axis=(1, 3))
    np.testing.assert_allclose(imresize(IMAGE, scale=1 / factor, method="area"), expected, atol=1e-12)
