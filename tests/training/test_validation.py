"""Validation scores are those of the tables, PSNR and SSIM on luma, border ignored, but of unrounded images."""

import pytest
import torch
from skimage.color import rgb2ycbcr
from skimage.metrics import peak_signal_noise_ratio

from srlab.training.validation import validation_scores


@pytest.fixture(scope="module")
def images() -> tuple[torch.Tensor, torch.Tensor]:
    """An SR image that leaves [0, 1] here and there and its HR image, (1, 3, 24, 20)."""
    hr, noise = torch.rand(2, 1, 3, 24, 20, generator=torch.Generator().manual_seed(0))
    return hr + 0.2 * (noise - 0.5), hr


@pytest.mark.parametrize("channels", [1, 3])
def test_scores_are_those_of_clipped_luma_without_border(
    channels: int, images: tuple[torch.Tensor, torch.Tensor]
) -> None:
    """Grey images are their own luma."""
    planes = []
    for image in images:
        pixels = image[0, :channels].clamp(0, 1).permute(1, 2, 0).double().numpy()
        planes.append((pixels * 255 if channels == 1 else rgb2ycbcr(pixels))[3:-3, 3:-3, 0])
    sr, hr = (image[:, :channels] for image in images)
    # 1e-4 dB: the luma of a float32 image is float32
    expected = peak_signal_noise_ratio(planes[1], planes[0], data_range=255)
    assert validation_scores(sr, hr, border=3)["val/psnr"].item() == pytest.approx(expected, abs=1e-4)
    assert validation_scores(hr, hr, border=3)["val/ssim"].item() == pytest.approx(1)
