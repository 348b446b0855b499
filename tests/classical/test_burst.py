"""The frames of a burst: where they lie, and that they are what the degradation makes."""

import numpy as np
import pytest
from skimage.data import camera

from srlab.classical.burst import Burst
from srlab.degradation.imaging import DrawnImaging
from srlab.errors import SrlabError
from srlab.images.resample import to_uint8

HR = camera()[:96, :128, None]


def shifts(num: int, scale: int = 4) -> list[tuple[float, float]]:
    """(right, down) in HR px."""
    draws = Burst(scale, 0, num, 1.2, 1.0).draws("any")
    return [(float(d.parameters.get("shift_right", 0)), float(d.parameters.get("shift_down", 0))) for d in draws]


@pytest.mark.parametrize(
    ("num", "scale", "expected"),
    [
        (4, 4, [(0, 0), (2, 0), (0, 2), (2, 2)]),  # a square of half an LR pixel
        (4, 3, [(0, 0), (1.5, 0), (0, 1.5), (1.5, 1.5)]),
        (16, 4, [(right, down) for down in range(4) for right in range(4)]),  # every HR pixel
    ],
)
def test_frames_lie_on_a_square_grid(num: int, scale: int, expected: list[tuple[float, float]]) -> None:
    assert shifts(num, scale) == expected


@pytest.mark.parametrize("num", [1, 3, 5])
def test_any_number_of_frames_is_taken_at_different_places(num: int) -> None:
    found = shifts(num)
    assert found[0] == (0, 0)
    assert len(set(found)) == num
    assert all(0 <= right < 4 and 0 <= down < 4 for right, down in found)


def test_terms_that_are_off_have_no_parameters() -> None:
    assert Burst(4, 0, 1, 0.0, 0.0).draws("any") == [DrawnImaging(4, "bicubic", {})]


def test_frames_are_8_bit_images_that_the_degradation_makes() -> None:
    burst = Burst(4, 0, 4, 1.2, 1.0)
    for frame, draw in zip(burst("camera", HR), burst.draws("camera"), strict=True):
        np.testing.assert_array_equal(to_uint8(frame.lr[0].permute(1, 2, 0)).numpy(), draw(HR)[1])
        assert frame.operator.draw == draw
        assert frame.variance == draw.variance == pytest.approx((1 + 1 / 12) / 255**2)


def test_every_frame_and_image_and_seed_has_noise_of_its_own() -> None:
    seeds = [draw.parameters["noise_seed"] for name in "ab" for draw in Burst(4, 0, 4, 1.2, 1.0).draws(name)]
    seeds += [draw.parameters["noise_seed"] for draw in Burst(4, 1, 4, 1.2, 1.0).draws("a")]
    assert len(set(seeds)) == 12
    again = [draw.parameters["noise_seed"] for draw in Burst(4, 0, 4, 1.2, 1.0).draws("a")]
    assert seeds[:4] == again


def test_no_frame_is_refused() -> None:
    with pytest.raises(SrlabError, match=r"frames\.num is 0"):
        Burst(4, 0, 0, 1.2, 1.0)
