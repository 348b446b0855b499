"""What a protocol compares."""

import numpy as np
import pytest
import torch
from eras import CLASSIC, MODERN, PROTOCOLS
from skimage import data
from skimage.color import rgb2ycbcr

from srlab.errors import SrlabError


def exact_luma(colours: np.ndarray) -> np.ndarray:
    """Y of (..., 3) in integers: (65481 R + 128553 G + 24966 B) / 255000 + 16, rounded half up."""
    return (colours.astype(np.int64) @ np.array([65481, 128553, 24966]) + 16 * 255000 + 127500) // 255000


def levels(image: np.ndarray) -> np.ndarray:
    return (CLASSIC.planes(image, "luma")[0, 0] * 255).round().numpy().astype(np.int64)


def test_luma_equals_exact_arithmetic_on_a_lattice_of_colours_and_on_all_exact_halves() -> None:
    """MATLAB rounds halves up."""
    steps = np.array([*range(0, 256, 5), 1, 127, 128, 254])
    lattice = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3)
    red, green = np.meshgrid(np.arange(256), np.arange(256), indexing="ij")
    halves = []
    for blue in range(256):
        tie = (65481 * red + 128553 * green + 24966 * blue) % 255000 == 127500
        halves.append(np.stack([red[tie], green[tie], np.full(tie.sum(), blue)], axis=1))
    assert sum(map(len, halves)) == 194  # so that the test cannot pass on an empty set
    colours = np.concatenate([lattice, *halves])[None].astype(np.uint8)
    np.testing.assert_array_equal(levels(colours), exact_luma(colours))


def test_luma_is_scikit_images_rounded_or_not() -> None:
    photo = data.astronaut()[:100, :90]
    expected = rgb2ycbcr(photo)[..., 0]
    np.testing.assert_array_equal(levels(photo), np.floor(expected + 0.5))
    # 1e-12 grey levels: a matrix product in float64 there, whole numbers and one division here
    np.testing.assert_allclose(MODERN.luma(photo) * 255, expected, rtol=0, atol=1e-12)


def test_a_grey_image_is_its_own_luma_or_that_of_equal_channels() -> None:
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16, 1)
    np.testing.assert_array_equal(levels(grey), grey[..., 0])
    np.testing.assert_array_equal(MODERN.luma(grey), MODERN.luma(grey.repeat(3, axis=2)))
    assert (MODERN.luma(grey) * 255).ravel()[[0, -1]].tolist() == [16, 235]  # BT.601-7, section 2.5.3: studio range


@pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=PROTOCOLS)
@pytest.mark.parametrize(("kind", "channels"), [("luma", 1), ("rgb", 3)])
@pytest.mark.parametrize("image", [data.astronaut()[:20, :30], data.camera()[:20, :30, None]], ids=["rgb", "grey"])
def test_planes_are_float64_in_0_to_1(protocol, kind: str, channels: int, image: np.ndarray) -> None:
    image = image.copy()
    image.flags.writeable = False  # memory-mapped images are
    result = protocol.planes(image, kind)
    assert (result.shape, result.dtype) == ((1, channels, 20, 30), torch.float64)
    assert 0 <= result.min() < result.max() <= 1
    if kind == "rgb":
        np.testing.assert_array_equal((result * 255).round()[0, : image.shape[2]].permute(1, 2, 0).numpy(), image)


@pytest.mark.parametrize("shape", [(4, 4, 4), (4, 4)])
def test_any_other_array_is_refused(shape: tuple[int, ...]) -> None:
    for image in (np.zeros(shape, np.uint8), np.zeros((4, 4, 3))):
        with pytest.raises(SrlabError, match="uint8 image"):
            MODERN.planes(image, "luma")
