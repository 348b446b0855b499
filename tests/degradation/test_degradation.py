"""The bicubic degradation: geometry, rounding, and agreement with MATLAB's weights worked out by hand."""

import numpy as np
import pytest

from srlab.degradation.imaging import Bicubic
from srlab.errors import SrlabError

HR = np.random.default_rng(0).integers(0, 256, (23, 30, 3), dtype=np.uint8)


@pytest.mark.parametrize(("scale", "size"), [(2, (22, 30)), (3, (21, 30)), (4, (20, 28))])
def test_hr_is_cut_at_the_bottom_right_to_multiples_of_scale(scale: int, size: tuple[int, int]) -> None:
    np.testing.assert_array_equal(Bicubic(scale)(HR)[0], HR[: size[0], : size[1]])


@pytest.mark.parametrize("scale", [1, 2, 3, 4])
@pytest.mark.parametrize("channels", [1, 3])
def test_lr_has_hrs_sides_divided_by_scale(scale: int, channels: int) -> None:
    hr, lr = Bicubic(scale)(HR[..., :channels])
    assert (lr.shape, lr.dtype) == ((hr.shape[0] // scale, hr.shape[1] // scale, channels), np.uint8)


def test_scale_1_changes_nothing() -> None:
    np.testing.assert_array_equal(Bicubic(1)(HR)[1], HR)


def test_a_bright_column_spreads_by_keys_weights() -> None:
    hr = np.zeros((16, 16, 1), np.uint8)
    hr[:, 8] = 255
    # x2: LR column j is centred on HR 2j + 0.5, so column 8 lies 3.5 .. -3.5 px from LR columns 2 .. 5.
    # Keys' kernel (a = -0.5) at 1.75, 0.75, 0.25, 1.25, halved: -0.01171875, 0.11328125, 0.43359375, -0.03515625
    expected = np.floor(255 * np.array([0, 0, -0.01171875, 0.11328125, 0.43359375, -0.03515625, 0, 0]).clip(0) + 0.5)
    np.testing.assert_array_equal(Bicubic(2)(hr)[1][4, :, 0], expected)


def test_an_image_smaller_than_scale_is_refused() -> None:
    with pytest.raises(SrlabError, match="5x3 px cannot be reduced by 4"):
        Bicubic(4)(np.zeros((3, 5, 3), np.uint8))


@pytest.mark.parametrize("scale", [0, -2, 2.5])
def test_a_scale_that_is_no_whole_number_is_refused(scale: float) -> None:
    with pytest.raises(SrlabError, match="whole number"):
        Bicubic(scale)  # type: ignore[arg-type]
