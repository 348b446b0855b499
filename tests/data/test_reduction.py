"""Exact reduction against fractions, the float resampler, and the symmetry that rounding would break."""

from fractions import Fraction
from math import floor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from srlab.data import reduction
from srlab.data.augmentation import OPERATIONS, transform
from srlab.data.reduction import reduce_bicubic
from srlab.data.resample import imresize, to_uint8


def keys(t: Fraction) -> Fraction:
    t = abs(t)
    if t <= 1:
        return Fraction(3, 2) * t**3 - Fraction(5, 2) * t**2 + 1
    return -Fraction(1, 2) * t**3 + Fraction(5, 2) * t**2 - 4 * t + 2 if t <= 2 else Fraction(0)


def reduced_axis(values: list[Fraction], scale: int) -> list[Fraction]:
    n = len(values)
    out = []
    for i in range(n // scale):
        centre = Fraction(2 * i + 1, 2) * scale - Fraction(1, 2)
        total = Fraction(0)
        for k in range(floor(centre) - 2 * scale - 1, floor(centre) + 2 * scale + 3):
            mirrored = min(k % (2 * n), 2 * n - 1 - k % (2 * n))
            total += keys((centre - k) / scale) / scale * values[mirrored]
        out.append(total)
    return out


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
@pytest.mark.parametrize("seed", range(3))
def test_it_is_matlabs_in_fractions(scale: int, seed: int) -> None:
    image = np.random.default_rng(seed).choice([0, 255, 1, 128], (2 * scale, 3 * scale)).astype(np.uint8)
    rows = [reduced_axis([Fraction(int(v)) for v in row], scale) for row in image]
    exact = [reduced_axis([row[j] for row in rows], scale) for j in range(3)]
    expected = [[max(0, min(255, floor(exact[j][i] + Fraction(1, 2)))) for j in range(3)] for i in range(2)]
    assert reduce_bicubic(image[..., None], scale)[..., 0].tolist() == expected


@settings(max_examples=60, deadline=None)
@given(
    scale=st.sampled_from((1, 2, 3, 4, 5, 8, 12)),
    sides=st.tuples(st.integers(1, 12), st.integers(1, 12)),
    channels=st.sampled_from((1, 3)),
    levels=st.sampled_from(((0, 255), tuple(range(256)))),
    seed=st.integers(0, 999),
)
def test_it_is_the_float_resampler_rounded(scale: int, sides, channels: int, levels, seed: int) -> None:
    shape = (sides[0] * scale, sides[1] * scale, channels)
    image = np.random.default_rng(seed).choice(levels, shape).astype(np.uint8)
    expected = to_uint8(imresize(image / 255.0, scale=1 / scale))
    np.testing.assert_array_equal(reduce_bicubic(image, scale), expected)


@pytest.mark.parametrize("shape", [(3, 700, 3), (700, 3, 1), (41, 37, 3)])
@pytest.mark.parametrize("scale", [2, 3, 4, 8])
def test_pictures_of_many_strips_and_blocks_are_no_other(monkeypatch, scale: int, shape) -> None:
    """Several strips at the real width, or at one that leaves strips of few columns."""
    height, width, channels = shape
    image = np.random.default_rng(scale).choice([0, 255], (height * scale, width * scale, channels)).astype(np.uint8)
    expected = to_uint8(imresize(image / 255.0, scale=1 / scale))
    np.testing.assert_array_equal(reduce_bicubic(image, scale), expected)
    monkeypatch.setattr(reduction, "PRODUCTS", 1000)
    np.testing.assert_array_equal(reduce_bicubic(image, scale), expected)


@settings(max_examples=40, deadline=None)
@given(
    scale=st.sampled_from((2, 3, 4, 8)),
    sides=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    levels=st.sampled_from(((0, 255), (0, 1), tuple(range(256)))),
    seed=st.integers(0, 999),
)
def test_turning_first_or_last_is_the_same(scale: int, sides, levels, seed: int) -> None:
    image = np.random.default_rng(seed).choice(levels, (sides[0] * scale, sides[1] * scale, 3)).astype(np.uint8)
    for operation in range(len(OPERATIONS)):
        turned_last = transform(reduce_bicubic(image, scale), operation)
        np.testing.assert_array_equal(reduce_bicubic(transform(image, operation), scale), turned_last)


def test_sides_that_are_no_multiples_are_refused() -> None:
    with pytest.raises(ValueError, match="9x8 are no multiples of 4"):
        reduce_bicubic(np.zeros((9, 8, 3), np.uint8), 4)
