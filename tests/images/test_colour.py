"""Studio-range BT.601 against scikit-image (MATLAB's matrix)."""

import numpy as np
import pytest
import torch
from skimage.color import rgb2ycbcr

from srlab.images.colour import luma, rgb_to_ycbcr, ycbcr_to_rgb


def picture(dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.rand(2, 3, 9, 7, dtype=dtype, generator=torch.Generator().manual_seed(0))


def test_equals_scikit_image() -> None:
    x = picture()
    expected = rgb2ycbcr(x.numpy(), channel_axis=1) / 255
    np.testing.assert_allclose(rgb_to_ycbcr(x).numpy(), expected, atol=1e-14)  # float64 rounding of numbers below 1
    torch.testing.assert_close(rgb_to_ycbcr(x[0]), rgb_to_ycbcr(x)[0], rtol=0, atol=0)  # without a batch axis too


def test_luma_is_the_first_channel() -> None:
    x = picture()
    torch.testing.assert_close(luma(x), rgb_to_ycbcr(x)[:, :1], rtol=0, atol=0)


def test_a_grey_image_is_its_own_luma() -> None:
    x = torch.rand(2, 1, 4, 4)
    assert luma(x) is x


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-14), (torch.float32, 1e-6)])
def test_there_and_back(dtype: torch.dtype, tolerance: float) -> None:
    # the inverse's rows sum up to 5 in magnitude, so a handful of roundings (1e-16, 6e-8) of the input's size
    x = picture(dtype)
    torch.testing.assert_close(ycbcr_to_rgb(rgb_to_ycbcr(x)), x, rtol=0, atol=tolerance)


@pytest.mark.parametrize("function", [rgb_to_ycbcr, ycbcr_to_rgb, luma])
def test_two_channels_are_refused(function) -> None:
    with pytest.raises(ValueError, match="3, H, W"):
        function(torch.zeros(1, 2, 4, 4))
