"""Other protocols against the programs they stand for, or against weights worked out by hand."""

import math

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter
from skimage import data
from skimage.measure import block_reduce
from skimage.metrics import peak_signal_noise_ratio

from srlab.degradation.reduction import reduce_bicubic
from srlab.evaluation.variants import (
    COLOURS,
    RESAMPLERS,
    SSIM_LABELS,
    SSIMS,
    Variant,
    daala_ssim,
    reconstruct,
    score,
)
from srlab.images.resample import imresize, to_uint8

EXACT = 1e-10  # float64 sums in another order
PHOTO = data.astronaut()[:121, 100:231]
PLANES = torch.rand(2, 3, 1, 40, 53, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def bright_column(at: int) -> np.ndarray:
    image = np.zeros((24, 24, 1), np.uint8)
    image[:, at] = 255
    return image


def test_daala_ssim_equals_scipys_gaussian_with_weights_cut_at_the_edges() -> None:
    x, y = (planes[0, 0].numpy() for planes in PLANES)
    sigma = 1.5 * 40 / 256
    weights, *blurred = (
        gaussian_filter(plane, sigma, mode="constant", radius=math.floor(4 * sigma))
        for plane in (np.ones_like(x), x, y, x * x, y * y, x * y)
    )
    mean_x, mean_y, xx, yy, xy = (plane / weights for plane in blurred)
    numerator = (2 * mean_x * mean_y + 1e-4) * (2 * (xy - mean_x * mean_y) + 9e-4)
    denominator = (mean_x**2 + mean_y**2 + 1e-4) * (xx - mean_x**2 + yy - mean_y**2 + 9e-4)
    expected = np.average(numerator / denominator, weights=weights)
    assert daala_ssim(*PLANES, 0)[0].item() == pytest.approx(expected, abs=EXACT)


def test_opencvs_cubic_has_a_of_minus_three_quarters_and_four_taps_when_shrinking() -> None:
    # LR column j of x4 samples HR 4j + 1.5: weights -3/32, 19/32, 19/32, -3/32 (Keys 1981, eq. 4 with a = -0.75)
    weights = [RESAMPLERS["opencv"].down(bright_column(at), 4)[3, 2, 0] for at in range(7, 13)]
    assert weights == [0, 0, 151, 151, 0, 0]  # 255 * 19/32 = 151.4; the negative ones are clipped
    inverted = [255 - RESAMPLERS["opencv"].down(255 - bright_column(at), 4)[3, 2, 0] for at in range(7, 13)]
    assert inverted == [0, 0, 151, 151, 0, 0]


def test_without_antialias_an_odd_factor_takes_every_nth_pixel() -> None:
    np.testing.assert_array_equal(RESAMPLERS["no-antialias"].down(PHOTO[:120, :129], 3), PHOTO[1:120:3, 1:129:3])


def test_without_antialias_an_even_factor_has_keys_four_taps() -> None:
    weights = [int(RESAMPLERS["no-antialias"].down(bright_column(at), 4)[3, 2, 0]) for at in range(7, 13)]
    assert weights == [0, 0, 143, 143, 0, 0]  # 255 * 9/16 = 143.4


def test_area_is_the_block_mean() -> None:
    expected = to_uint8(block_reduce(PHOTO[:120, :128], (4, 4, 1), np.mean) / 255)
    np.testing.assert_array_equal(RESAMPLERS["area-opencv"].down(PHOTO[:120, :128], 4), expected)


@pytest.mark.parametrize("name", RESAMPLERS)
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_a_flat_image_stays_flat(name: str, scale: int) -> None:
    flat = np.full((24, 36, 3), 77, np.uint8)
    np.testing.assert_array_equal(RESAMPLERS[name].up(RESAMPLERS[name].down(flat, scale), scale), flat)


def original(colour: str, image: np.ndarray = PHOTO) -> np.ndarray:
    """In 8-bit levels, what a result is compared with."""
    return reconstruct(image, 1, Variant("matlab", colour, border=False, luma_first=False))[1][0, 0].numpy() * 255


def test_modern_luma_is_not_rounded() -> None:
    expected = 16 + PHOTO @ np.array([65.481, 128.553, 24.966]) / 255  # ITU-R BT.601 as MATLAB has it
    np.testing.assert_allclose(original("studio-float"), expected, atol=EXACT)


def test_classic_luma_is_modern_luma_rounded_half_up() -> None:
    # 1e-9: luma is a multiple of 1 / 255000, so that only exact halves lie so near to one
    np.testing.assert_allclose(original("studio"), np.floor(original("studio-float") + 0.5 + 1e-9), atol=EXACT)


def test_grey_is_its_own_luma_in_classic_and_squeezed_into_studio_range_in_modern() -> None:
    grey = PHOTO[..., :1]
    np.testing.assert_allclose(original("studio", grey), grey[..., 0], atol=EXACT)
    np.testing.assert_allclose(original("studio-float", grey), 16 + grey[..., 0] * (219 / 255), atol=EXACT)


def test_the_protocols_ignore_the_border() -> None:
    names = {colour: Variant("matlab", colour, border=True, luma_first=False).protocol for colour in COLOURS}
    assert {name: colour for colour, name in names.items() if name} == {"classic": "studio", "modern": "studio-float"}
    assert Variant("matlab", "studio", border=False, luma_first=False).protocol == ""


def test_matlabs_lr_is_rounded_after_each_pass() -> None:
    np.testing.assert_array_equal(RESAMPLERS["matlab"].down(PHOTO[:120, :128], 4), reduce_bicubic(PHOTO[:120, :128], 4))


def test_matlabs_enlargement_is_rounded_between_the_passes() -> None:
    rows = imresize(PHOTO / 255.0, size=(2 * PHOTO.shape[0], PHOTO.shape[1]))
    rows = np.floor(rows.clip(0, 1) * 255 + 0.5 + 1e-6)  # 1e-6: sums that are halves but for their rounding error
    columns = imresize(rows / 255, size=(2 * PHOTO.shape[0], 2 * PHOTO.shape[1]))
    found = RESAMPLERS["matlab"].up(PHOTO, 2)
    # 0.5: rounding; 1e-6: as above
    assert np.abs(found - columns.clip(0, 1) * 255).max() <= 0.5 + 1e-6


def test_full_range_luma_is_pillows() -> None:
    pillow = np.asarray(Image.fromarray(PHOTO).convert("L"))
    assert np.abs(original("full") - pillow).max() <= 1 + EXACT  # Pillow rounds its weights to 16 bits


def test_rgb_psnr_is_that_of_the_squared_error_over_all_channels() -> None:
    variant = Variant("matlab", "rgb", border=True, luma_first=False)
    result, original = (planes[:, 0, 4:-4, 4:-4].numpy() for planes in reconstruct(PHOTO, 4, variant))
    expected = peak_signal_noise_ratio(original, result, data_range=1.0)
    assert score(PHOTO, 4, variant, {})["psnr"] == pytest.approx(expected, abs=1e-9)  # dB, float64


def test_full_range_luma_reads_less_by_the_ratio_of_the_ranges() -> None:
    studio, full = (
        score(PHOTO, 4, Variant("matlab", colour, True, False), {})["psnr"] for colour in ("studio", "full")
    )
    # 20 log10(255 / 219) = 1.32 dB; 0.05: both are rounded to 8 bit
    assert studio - full == pytest.approx(20 * math.log10(255 / 219), abs=0.05)


def test_a_grey_image_scores_alike_under_every_colour_that_leaves_it_grey() -> None:
    grey = PHOTO[..., :1]
    found = {colour: score(grey, 4, Variant("matlab", colour, True, False), {})["psnr"] for colour in COLOURS}
    assert found["studio"] == found["full"] == found["rgb"]
    for colour in ("grey-as-rgb", "studio-float"):  # 0.05: one of them is rounded to 8 bit
        assert found[colour] == pytest.approx(found["studio"] + 20 * math.log10(255 / 219), abs=0.05)


def test_every_kind_of_ssim_has_a_label() -> None:
    assert set(SSIMS) == set(SSIM_LABELS)
