"""Features against plain convolutions by scipy, and patches against the pixels they were cut from."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import convolve2d
from torch import Tensor

from srlab.examples.patches import cut, feature_maps, num_patches, paste


def noise(height: int, width: int) -> Tensor:
    return torch.rand(1, 1, height, width, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def same(image: np.ndarray, taps: np.ndarray) -> np.ndarray:
    """MATLAB's conv2(image, taps, 'same'): the central part, which begins half the taps' size in, rounded down."""
    full = convolve2d(image, taps)
    top, left = (side // 2 for side in taps.shape)
    return full[top : top + image.shape[0], left : left + image.shape[1]]


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
def test_features_are_the_published_filters(scale: int) -> None:
    """[1 0 .. -1] and [1 0 .. -2 0 .. 1] / 2 with scale - 1 zeros between the taps, along both axes."""
    image = noise(40, 37)
    zeros = [0.0] * (scale - 1)
    gradient, laplacian = np.array([[1, *zeros, -1]]), np.array([[1, *zeros, -2, *zeros, 1]]) / 2
    inner = slice(scale, -scale)
    expected = [
        same(image[0, 0].numpy(), taps)[inner, inner] for taps in (gradient, gradient.T, laplacian, laplacian.T)
    ]
    # 1e-14: both add three numbers below 2 in float64
    np.testing.assert_allclose(feature_maps(image, scale)[0].numpy(), expected, atol=1e-14)


@settings(max_examples=30, deadline=None)
@given(st.sampled_from([2, 3, 4]), st.integers(1, 12), st.integers(1, 12), st.integers(1, 3))
def test_patches_are_counted_right(scale: int, rows: int, columns: int, step: int) -> None:
    height, width = rows * scale, columns * scale
    if min(rows, columns) < 5:  # 3 of the patch, 1 on each side that the features leave out
        assert num_patches(height, width, scale, step) == 0
    else:
        found = cut(feature_maps(noise(height, width), scale), scale, step)
        assert found.shape == (num_patches(height, width, scale, step), 4 * 9 * scale**2)


def test_a_patch_holds_the_pixels_of_its_place() -> None:
    image = noise(20, 24)
    patches = cut(image, scale=2)
    columns = 24 // 2 - 2
    assert torch.equal(patches[3 * columns + 5].view(6, 6), image[0, 0, 6:12, 10:16])


def test_pasted_patches_add_up() -> None:
    """Each pixel of the middle is in 3x3 patches, those of the corner LR pixel in one."""
    image = noise(20, 24)
    total = paste(cut(image, 2), 20, 24, 2)
    torch.testing.assert_close(total[..., 4:-4, 4:-4], 9 * image[..., 4:-4, 4:-4])
    torch.testing.assert_close(total[..., :2, :2], image[..., :2, :2])
