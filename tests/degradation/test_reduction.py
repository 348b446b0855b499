"""MATLAB's uint8 reduction: against fractions, the float resampler, and files that MATLAB made."""

import hashlib
from fractions import Fraction
from math import floor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from standard_sets import standard_images

from srlab.degradation import reduction
from srlab.degradation.reduction import REDUCTIONS, reduce_bicubic
from srlab.images.resample import imresize, to_uint8
from srlab.images.turns import OPERATIONS, transform

# sha256 over b"{H}x{W}x3:" and the pixels of Set5's x4 LR images as MATLAB wrote them
# (github Zheng222/IMDN 8f158e6a, Test_Datasets/Set5_LR/x4)
MATLAB_LR = {
    "baby": "6064122f3f1e27de49c2d4389a8747798aa39574380421b84de4ed241c56e097",
    "bird": "d515ec73d92f48b0eb73bf2109386dfbf832c1926bef02dc8e09018823acbc63",
    "butterfly": "889e15ba258d45fd5c59c1246b29aee2bf1f62a6b876cfc99ed0230ff457c09d",
    "head": "66b1346a2d56dbddb10a1701afeea18dfd70ec117f9e50a88182400d9204b219",
    "woman": "1183c351d95e020cb85c8c321079d2bd53f4883c5078ebf4428b3c3eacd708e5",
}
SCALES = (2, 3, 4, 8)
pictures = st.builds(
    lambda sides, levels, seed: (sides, levels, seed),
    st.tuples(st.integers(1, 9), st.integers(1, 9)),
    st.sampled_from(((0, 255), (0, 1), tuple(range(256)))),
    st.integers(0, 999),
)


def drawn(picture, scale: int, channels: int = 3) -> np.ndarray:
    (height, width), levels, seed = picture
    shape = (height * scale, width * scale, channels)
    return np.random.default_rng(seed).choice(levels, shape).astype(np.uint8)


def keys(t: Fraction) -> Fraction:
    t = abs(t)
    if t <= 1:
        return Fraction(3, 2) * t**3 - Fraction(5, 2) * t**2 + 1
    return -Fraction(1, 2) * t**3 + Fraction(5, 2) * t**2 - 4 * t + 2 if t <= 2 else Fraction(0)


def beyond(k: int, n: int, border: str) -> int:
    return min(max(k, 0), n - 1) if border == "edge" else min(k % (2 * n), 2 * n - 1 - k % (2 * n))


def reduced_axis(values: list[Fraction], scale: int, border: str) -> list[Fraction]:
    n = len(values)
    out = []
    for i in range(n // scale):
        centre = Fraction(2 * i + 1, 2) * scale - Fraction(1, 2)
        total = Fraction(0)
        for k in range(floor(centre) - 2 * scale - 1, floor(centre) + 2 * scale + 3):
            total += keys((centre - k) / scale) / scale * values[beyond(k, n, border)]
        out.append(total)
    return out


def whole(value: Fraction) -> Fraction:
    return Fraction(max(0, min(255, floor(value + Fraction(1, 2)))))


@pytest.mark.parametrize("method", REDUCTIONS)
@pytest.mark.parametrize("scale", SCALES)
def test_it_is_matlabs_in_fractions(scale: int, method: str) -> None:
    image = np.random.default_rng(0).choice([0, 255, 1, 128], (2 * scale, 3 * scale)).astype(np.uint8)
    border, rounds_twice = REDUCTIONS[method]
    between = whole if rounds_twice else Fraction
    columns = [[between(v) for v in reduced_axis([Fraction(int(v)) for v in c], scale, border)] for c in image.T]
    rows = [reduced_axis([column[i] for column in columns], scale, border) for i in range(2)]
    expected = [[int(whole(value)) for value in row] for row in rows]
    assert reduce_bicubic(image[..., None], scale, method)[..., 0].tolist() == expected


@pytest.mark.data
@pytest.mark.parametrize("name", MATLAB_LR)
def test_lr_of_set5_is_matlabs_pixel_for_pixel(name: str) -> None:
    hr = standard_images("Set5")[name]
    height, width = (side // 4 * 4 for side in hr.shape[:2])
    lr = reduce_bicubic(np.ascontiguousarray(hr[:height, :width]), 4)
    assert hashlib.sha256(b"%dx%dx3:" % lr.shape[:2] + lr.tobytes()).hexdigest() == MATLAB_LR[name]


@settings(max_examples=60, deadline=None)
@given(scale=st.sampled_from((1, 2, 3, 4, 5, 8, 12)), picture=pictures, channels=st.sampled_from((1, 3)))
def test_rounded_once_it_is_the_float_resampler(scale: int, picture, channels: int) -> None:
    image = drawn(picture, scale, channels)
    expected = to_uint8(imresize(image / 255.0, scale=1 / scale))
    np.testing.assert_array_equal(reduce_bicubic(image, scale, "bicubic_float"), expected)


@pytest.mark.parametrize("shape", [(3, 700, 3), (700, 3, 1)])
@pytest.mark.parametrize("scale", SCALES)
def test_pictures_of_many_strips_and_blocks_are_no_other(monkeypatch, scale: int, shape) -> None:
    """Several strips at the real width, or at one that leaves strips of few columns."""
    height, width, channels = shape
    image = np.random.default_rng(scale).choice([0, 255], (height * scale, width * scale, channels)).astype(np.uint8)
    once, twice = (reduce_bicubic(image, scale, method) for method in ("bicubic_float", "bicubic"))
    np.testing.assert_array_equal(once, to_uint8(imresize(image / 255.0, scale=1 / scale)))
    monkeypatch.setattr(reduction, "PRODUCTS", 1000)
    np.testing.assert_array_equal(reduce_bicubic(image, scale, "bicubic_float"), once)
    np.testing.assert_array_equal(reduce_bicubic(image, scale), twice)


@settings(max_examples=40, deadline=None)
@given(scale=st.sampled_from(SCALES), picture=pictures)
def test_flips_commute_and_turns_do_where_rounding_is_last(scale: int, picture) -> None:
    image = drawn(picture, scale)
    for operation, (turns, _) in enumerate(OPERATIONS):
        for method in REDUCTIONS if turns % 2 == 0 else ["bicubic_float"]:
            turned_last = transform(reduce_bicubic(image, scale, method), operation)
            np.testing.assert_array_equal(reduce_bicubic(transform(image, operation), scale, method), turned_last)


def test_a_quarter_turn_of_a_photo_changes_one_value_in_seven_mostly_by_one_level() -> None:
    """The figures of docs/datasets.md on training, which turns LR and HR together and does not reduce the turned HR."""
    from skimage.data import astronaut, coffee

    for photo in (astronaut(), coffee()):
        turned_first = reduce_bicubic(np.rot90(photo).copy(), 4).astype(int)
        difference = np.abs(turned_first - np.rot90(reduce_bicubic(photo, 4)))
        assert 0.13 < np.mean(difference > 0) < 0.16
        assert np.mean(difference > 1) < 0.002  # beside white and black, where the first pass clips


def test_sides_that_are_no_multiples_are_refused() -> None:
    with pytest.raises(ValueError, match="9x8 are no multiples of 4"):
        reduce_bicubic(np.zeros((9, 8, 3), np.uint8), 4)
