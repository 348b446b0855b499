"""Other protocols against the programs they stand for, or against weights worked out by hand."""

import math

import numpy as np
import pytest
import torch
from eras import CLASSIC, MODERN
from PIL import Image
from scipy.ndimage import gaussian_filter
from skimage import data
from skimage.measure import block_reduce
from skimage.metrics import peak_signal_noise_ratio

from srlab.evaluation.protocol import Protocol
from srlab.evaluation.variants import COLOURS, RESAMPLERS, Variant, daala_ssim, reconstruct, score
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
def test_a_flat_image_stays_flat(name: str) -> None:
    flat = np.full((24, 36, 3), 77, np.uint8)
    for scale in (2, 3, 4):
        np.testing.assert_array_equal(RESAMPLERS[name].up(RESAMPLERS[name].down(flat, scale), scale), flat)


def original(colour: str, image: np.ndarray = PHOTO) -> np.ndarray:
    """In 8-bit levels, what a result is compared with."""
    return reconstruct(image, 1, Variant("matlab", colour, border=False, luma_first=False))[1][0, 0].numpy() * 255


def test_full_range_luma_is_pillows() -> None:
    pillow = np.asarray(Image.fromarray(PHOTO).convert("L"))
    assert np.abs(original("full") - pillow).max() <= 1 + EXACT  # Pillow rounds its weights to 16 bits


@pytest.mark.parametrize(("colour", "protocol"), [("studio", CLASSIC), ("studio-float", MODERN)])
def test_studio_luma_is_that_of_the_protocols(colour: str, protocol: Protocol) -> None:
    for image in (PHOTO, PHOTO[..., :1]):
        np.testing.assert_array_equal(original(colour, image), protocol.planes(image, "luma")[0, 0].numpy() * 255)


def test_the_protocols_ignore_the_border() -> None:
    names = {colour: Variant("matlab", colour, border=True, luma_first=False).protocol for colour in COLOURS}
    assert {name: colour for colour, name in names.items() if name} == {"classic": "studio", "modern": "studio-float"}
    assert Variant("matlab", "studio", border=False, luma_first=False).protocol == ""


def test_matlabs_enlargement_is_rounded_between_the_passes() -> None:
    rows = imresize(PHOTO / 255.0, size=(2 * PHOTO.shape[0], PHOTO.shape[1]))
    rows = np.floor(rows.clip(0, 1) * 255 + 0.5 + 1e-6)  # 1e-6: sums that are halves but for their rounding error
    columns = imresize(rows / 255, size=(2 * PHOTO.shape[0], 2 * PHOTO.shape[1]))
    found = RESAMPLERS["matlab"].up(PHOTO, 2)
    # 0.5: rounding; 1e-6: as above
    assert np.abs(found - columns.clip(0, 1) * 255).max() <= 0.5 + 1e-6


def test_rgb_psnr_is_that_of_the_squared_error_over_all_channels() -> None:
    variant = Variant("matlab", "rgb", border=True, luma_first=False)
    result, original = (planes[:, 0, 4:-4, 4:-4].numpy() for planes in reconstruct(PHOTO, 4, variant))
    expected = peak_signal_noise_ratio(original, result, data_range=1.0)
    assert score(PHOTO, 4, variant, {})["psnr"] == pytest.approx(expected, abs=1e-9)  # dB, float64


def test_colours_read_what_their_ranges_make_of_them() -> None:
    wider = 20 * math.log10(255 / 219)  # 1.32 dB; 0.05: rounded to 8 bit
    colour, grey = (
        {name: score(image, 4, Variant("matlab", name, True, False), {})["psnr"] for name in COLOURS}
        for image in (PHOTO, PHOTO[..., :1])
    )
    assert colour["studio"] - colour["full"] == pytest.approx(wider, abs=0.05)
    assert grey["studio"] == grey["full"] == grey["rgb"]
    for name in ("grey-as-rgb", "studio-float"):
        assert grey[name] == pytest.approx(grey["studio"] + wider, abs=0.05)
