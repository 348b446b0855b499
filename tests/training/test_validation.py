"""Validation scores are those of the tables: PSNR and SSIM on luma, border ignored."""

import numpy as np
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


def test_psnr_is_measured_on_clipped_luma_without_border(images: tuple[torch.Tensor, torch.Tensor]) -> None:
    sr, hr = (rgb2ycbcr(image[0].clamp(0, 1).permute(1, 2, 0).double().numpy())[3:-3, 3:-3, 0] for image in images)
    expected = peak_signal_noise_ratio(hr, sr, data_range=255)
    # 1e-4 dB: the luma of a float32 image is float32
    assert validation_scores(*images, border=3)["val/psnr"].item() == pytest.approx(expected, abs=1e-4)


def test_grey_images_are_their_own_luma(images: tuple[torch.Tensor, torch.Tensor]) -> None:
    sr, hr = (image[:, :1] for image in images)
    expected = -10 * np.log10(np.square(sr.clamp(0, 1).double().numpy() - hr.double().numpy()).mean())
    assert validation_scores(sr, hr, border=0)["val/psnr"].item() == pytest.approx(expected, abs=1e-4)


def test_ssim_of_an_image_with_itself_is_one(images: tuple[torch.Tensor, torch.Tensor]) -> None:
    assert validation_scores(images[1], images[1], border=2)["val/ssim"].item() == pytest.approx(1)
