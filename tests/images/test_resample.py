"""imresize against MATLAB's algorithm, written out here in loops, and against analytic cases."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from srlab.images.resample import imresize, to_uint8

METHODS = ("nearest", "bilinear", "bicubic", "lanczos3")


def kernel_value(method: str, x: float) -> float:
    a = abs(x)
    if method == "nearest":
        return 1.0 if -0.5 <= x < 0.5 else 0.0
    if method == "bilinear":
        return max(1 - a, 0.0)
    if method == "bicubic":
        if a <= 1:
            return 1.5 * a**3 - 2.5 * a**2 + 1
        return -0.5 * a**3 + 2.5 * a**2 - 4 * a + 2 if a <= 2 else 0.0
    eps = np.finfo(float).eps
    value = (math.sin(math.pi * x) * math.sin(math.pi * x / 3) + eps) / (math.pi**2 * x**2 / 3 + eps)
    return value if a < 3 else 0.0


def matlab_axis(image: np.ndarray, out: int, scale: float, method: str) -> np.ndarray:
    """imresize.m's `contributions` for the first axis, in its own 1-based counting, one output row at a time."""
    n = image.shape[0]
    width = {"nearest": 1, "bilinear": 2, "bicubic": 4, "lanczos3": 6}[method]
    antialias = scale < 1 and method != "nearest"
    kernel_width = width / scale if antialias else width
    mirror = [*range(1, n + 1), *range(n, 0, -1)]
    result = np.zeros((out, *image.shape[1:]))
    for x in range(1, out + 1):
        u = x / scale + 0.5 * (1 - 1 / scale)
        left = math.floor(u - kernel_width / 2)
        weights, values = [], []
        for index in range(left, left + math.ceil(kernel_width) + 2):
            distance = u - index
            weights.append(
                scale * kernel_value(method, scale * distance) if antialias else kernel_value(method, distance)
            )
            values.append(image[mirror[(index - 1) % (2 * n)] - 1])
        total = sum(weights)
        result[x - 1] = sum(w / total * v for w, v in zip(weights, values, strict=True))
    return result


def matlab(image: np.ndarray, out: tuple[int, int], scales: tuple[float, float], method: str) -> np.ndarray:
    rows = matlab_axis(image.astype(np.float64), out[0], scales[0], method)
    return matlab_axis(rows.swapaxes(0, 1), out[1], scales[1], method).swapaxes(0, 1)


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((height, width))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("factor", [2, 3, 4, 8])
def test_shrinking_and_enlarging_by_a_whole_factor_are_matlabs(method: str, factor: int) -> None:
    image = noise(5 * factor, 3 * factor)
    small, large = (
        matlab(image, (round(5 * factor * scale), round(3 * factor * scale)), (scale, scale), method)
        for scale in (1 / factor, factor)
    )
    # 1e-12: float64 sums of at most (4 * 8 + 2)^2 products of numbers near 1
    np.testing.assert_allclose(imresize(image, scale=1 / factor, method=method), small, atol=1e-12)
    np.testing.assert_allclose(imresize(image, scale=factor, method=method), large, atol=1e-12)


@settings(max_examples=100, deadline=None)
@given(
    sides=st.tuples(st.integers(1, 23), st.integers(1, 23)),
    wanted=st.one_of(st.floats(0.15, 4.5), st.tuples(st.integers(1, 23), st.integers(1, 23))),
    method=st.sampled_from(("bilinear", "bicubic", "lanczos3")),
)
def test_any_scale_and_any_size_are_matlabs(sides: tuple[int, int], wanted, method: str) -> None:
    image = noise(*sides)
    if isinstance(wanted, float):
        resized, scales = imresize(image, scale=wanted, method=method), (wanted, wanted)
        out = (math.ceil(wanted * sides[0] - 1e-9), math.ceil(wanted * sides[1] - 1e-9))
    else:
        resized, scales = imresize(image, size=wanted, method=method), (wanted[0] / sides[0], wanted[1] / sides[1])
        out = wanted
    np.testing.assert_allclose(resized, matlab(image, out, scales, method), atol=1e-12)


@pytest.mark.parametrize("scale", [1 / 4, 1 / 3, 0.37, 3, 4])
def test_float32_stays_within_a_millionth_of_float64(scale: float) -> None:
    image = noise(1200, 12)  # long, because errors of sample positions grow with the position
    exact = imresize(image, scale=scale)
    single = imresize(image.astype(np.float32), scale=scale)
    np.testing.assert_allclose(single, exact, atol=1e-6)  # a few float32 roundings of numbers near 1 (6e-8 each)


@pytest.mark.parametrize(("size", "scale", "expected"), [((9, 21), 1 / 3, (3, 7)), ((10, 13), 1 / 4, (3, 4))])
def test_the_output_side_is_rounded_up_but_not_for_a_rounding_error(size, scale: float, expected) -> None:
    assert imresize(np.zeros(size), scale=scale).shape == expected


@pytest.mark.parametrize("scale", [0.25, 2, 0.3])
def test_channels_of_an_array_are_resized_one_by_one(scale: float) -> None:
    image = np.stack([noise(16, 12, seed) for seed in range(3)], axis=-1)
    expected = np.stack([imresize(image[..., c], scale=scale) for c in range(3)], axis=-1)
    np.testing.assert_allclose(imresize(image, scale=scale), expected, atol=1e-14)
    leading = torch.from_numpy(image).movedim(-1, 0).expand(2, 5, 3, 16, 12)
    np.testing.assert_allclose(imresize(leading, scale=scale)[1, 4].movedim(0, -1).numpy(), expected, atol=1e-14)


@pytest.mark.parametrize("scale", [2, 1.7])
def test_autocast_does_not_coarsen_the_result(scale: float) -> None:
    x = torch.rand(1, 3, 16, 16)
    with torch.autocast("cpu", torch.bfloat16):
        inside = imresize(x, scale=scale)
    torch.testing.assert_close(inside, imresize(x, scale=scale), rtol=0, atol=0)
    assert imresize(x.bfloat16(), scale=scale).dtype == torch.bfloat16  # it comes back as it went in


def test_gradients_pass_through() -> None:
    x = torch.rand(1, 1, 6, 6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda t: imresize(t, scale=2), (x,))


def test_integer_pixels_are_refused() -> None:
    with pytest.raises(TypeError, match="floating point"):
        imresize(np.zeros((4, 4), np.uint8), scale=2)


@pytest.mark.parametrize(("arguments", "message"), [
    ({}, "either scale or size"),
    ({"scale": 2, "size": (4, 4)}, "either scale or size"),
    ({"scale": 0}, "not positive"),
    ({"size": (0, 4)}, "is empty"),
    ({"scale": 2, "method": "cubic"}, "nearest, bilinear, bicubic, bicubic_float"),
])  # fmt: skip
def test_arguments_that_make_no_sense_are_refused(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        imresize(np.zeros((4, 4)), **arguments)


@pytest.mark.parametrize("kind", [np.asarray, torch.tensor])
def test_8_bit_rounds_halves_up_and_clips(kind) -> None:
    levels = [-3.0, 0.49, 0.5, 1.5, 2.5, 254.4, 254.5, 300.0]
    rounded = to_uint8(kind([level / 255 for level in levels]))
    assert rounded.tolist() == [0, 0, 1, 2, 3, 254, 255, 255]


def test_every_8_bit_value_survives_the_way_to_float32_and_back() -> None:
    levels = torch.arange(256, dtype=torch.uint8)
    assert torch.equal(to_uint8(levels.float() / 255), levels)
