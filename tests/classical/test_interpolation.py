"""Interpolation against plain pixel repetition and the literature's baselines."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from skimage.color import rgb2ycbcr

from srlab.classical.interpolation import LABELS, Interpolation
from srlab.errors import SrlabError
from srlab.images.resample import imresize, to_uint8


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_nearest_repeats_pixels(scale: int) -> None:
    lr = torch.rand(2, 3, 5, 4)
    repeated = lr.repeat_interleave(scale, dim=2).repeat_interleave(scale, dim=3)
    assert torch.equal(Interpolation("nearest", "Nearest").upscale(lr, scale), repeated)


@pytest.mark.parametrize("method", LABELS)
def test_constant_images_stay_constant(method: str) -> None:
    sr = Interpolation(method, method).upscale(torch.full((1, 1, 5, 4), 0.7, dtype=torch.float64), 3)
    assert sr.shape == (1, 1, 15, 12)
    assert (sr - 0.7).abs().max() < 1e-12  # float64; lanczos3's weights are divided by their sum


@pytest.mark.parametrize("method", ["bicubic", "lanczos3"])
def test_overshoot_is_clamped(method: str) -> None:
    step = torch.zeros(1, 1, 8, 8)
    step[..., 4:] = 1
    sr = Interpolation(method, method).upscale(step, 4)
    assert (sr.min(), sr.max()) == (0, 1)


def test_unknown_methods_are_refused() -> None:
    with pytest.raises(SrlabError, match="set `kernel` to one of nearest, bilinear, bicubic, lanczos3"):
        Interpolation("area", "Area")


@pytest.mark.data
@pytest.mark.parametrize(
    ("method", "psnr"),
    [("nearest", 26.26), ("bicubic", 28.42)],  # Ledig et al. 2017, table 2; every paper since VDSR
)
def test_set5_baseline_is_the_published_one(method: str, psnr: float) -> None:
    folder = os.environ.get("SRLAB_DATASETS")
    if not folder:
        pytest.skip("SRLAB_DATASETS is unset: no Set5 to measure on")
    scores = [_luma_psnr(path, Interpolation(method, method)) for path in sorted((Path(folder) / "Set5").glob("*.png"))]
    assert len(scores) == 5
    # half a hundredth of rounding, and one hundredth by which the papers differ (bicubic 28.42 or 28.43)
    assert np.mean(scores) == pytest.approx(psnr, abs=0.015)


def _luma_psnr(path: Path, interpolation: Interpolation) -> float:
    """PSNR in dB of x4 luma without 4 border pixels, by scikit-image's colour conversion."""
    hr = np.asarray(Image.open(path).convert("RGB"))
    hr = hr[: hr.shape[0] // 4 * 4, : hr.shape[1] // 4 * 4]
    pixels = torch.from_numpy(hr.copy()).permute(2, 0, 1)[None].double() / 255
    lr = to_uint8(imresize(pixels, scale=1 / 4)).double() / 255
    sr = to_uint8(interpolation.upscale(lr, 4))[0].permute(1, 2, 0).numpy()
    error = (rgb2ycbcr(hr) - rgb2ycbcr(sr))[4:-4, 4:-4, 0]
    return float(10 * np.log10(255**2 / np.mean(error**2)))
