"""MATLAB's `imresize` of float images: the resize that every published super-resolution figure rests on.

Reducing an 8-bit image is `srlab.degradation.reduction`'s: there MATLAB rounds between the two passes.

Two paths with one result. Bicubic and bilinear by whole factors go through torch's antialiased interpolation, whose
interior is MATLAB's (a = -0.5, kernel widened when shrinking) but whose borders are not: the image is extended
symmetrically first and the surplus cropped. Everything else multiplies by MATLAB's weight matrices, in float64 because
autocast and TF32 would quietly round a float32 matrix product to 10 bits or fewer.

What other programs call by the same names (area, opencv_..., pil_...) is there for degradations, not for baselines.
"""

import math
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import NamedTuple, TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

Array = TypeVar("Array", Tensor, np.ndarray)

# Rounding error of a resize may put an exact half on either side. What lies within this many grey levels of a half
# counts as the half: a turned image gives the turned result bit for bit (float64; values at x3 lie 4e-5 levels apart).
HALF_TOLERANCE = 1e-6


def imresize(
    x: Array, scale: float | None = None, size: tuple[int, int] | None = None, method: str = "bicubic"
) -> Array:
    """Resized float tensor (..., H, W) or float array (H, W) or (H, W, C), any range; kind, dtype and other axes stay.

    Exactly one of `scale` (output side = ceil(scale * side)) and `size` (h, w) is given. `method` is nearest, bilinear,
    bicubic or lanczos3; all but nearest are antialiased when shrinking, like MATLAB's default. METHODS lists more:
    area (each output pixel is the mean of what it covers; MATLAB's "box"), and what OpenCV and Pillow make of float
    images under their names. Results may leave the input's range (overshoot of bicubic and lanczos): clip them.
    ValueError on anything else, TypeError on integers.
    Source: MATLAB's imresize.m (`contributions`) on single or double images, borders mirrored with the edge repeated.
    (On uint8 images MATLAB also rounds between the two passes: `srlab.degradation.reduction`.)
    """
    if method not in METHODS:
        raise ValueError(f"method {method!r} is unknown: use one of {', '.join(METHODS)}")
    if isinstance(x, np.ndarray):
        planes = torch.from_numpy(np.ascontiguousarray(x))
        if planes.ndim == 2:
            return imresize(planes, scale, size, method).numpy()
        return np.ascontiguousarray(imresize(planes.movedim(-1, 0), scale, size, method).movedim(0, -1).numpy())
    if not x.is_floating_point():
        raise TypeError(f"imresize wants floating point pixels, got {x.dtype}")
    height, width = x.shape[-2:]
    out_size, factors = _geometry((height, width), scale, size)
    if method in ("bicubic", "bilinear") and all(map(_is_whole, (height, width), out_size, factors)):
        return _by_interpolation(x, out_size, method)
    return _by_matrices(x, out_size, factors, method)


def to_uint8(x: Array) -> Array:
    """8-bit tensor or array, any shape, of floats in [0, 1]: clipped, halves rounded up as MATLAB's uint8() does."""
    if isinstance(x, np.ndarray):
        return np.floor(np.clip(x * 255.0, 0, 255) + (0.5 + HALF_TOLERANCE)).astype(np.uint8)
    return (x * 255.0).clamp(0, 255).add(0.5 + HALF_TOLERANCE).floor().to(torch.uint8)


def _geometry(
    in_size: tuple[int, int], scale: float | None, size: tuple[int, int] | None
) -> tuple[tuple[int, int], tuple[float, float]]:
    """Output size and the factor per axis; MATLAB keeps the given scale and derives it only from a given size."""
    if (scale is None) == (size is None):
        raise ValueError("give either scale or size")
    if size is not None:
        out_size = (int(size[0]), int(size[1]))
        factors = (out_size[0] / in_size[0], out_size[1] / in_size[1])
    else:
        assert scale is not None
        if not scale > 0:
            raise ValueError(f"scale {scale} is not positive")
        # 1e-9: 9 * (1/3) must not become 3.0000000000000004 and then 4
        out_size = (math.ceil(in_size[0] * scale - 1e-9), math.ceil(in_size[1] * scale - 1e-9))
        factors = (float(scale), float(scale))
    if min(out_size) < 1:
        raise ValueError(f"output size {out_size} is empty")
    return out_size, factors


def _is_whole(n: int, out: int, factor: float) -> bool:
    """Whether one axis grows or shrinks by a whole factor without remainder."""
    exact = out % n == 0 or n % out == 0
    return exact and math.isclose(factor, out / n, rel_tol=1e-12)


def _by_interpolation(x: Tensor, out_size: tuple[int, int], method: str) -> Tensor:
    planes = x.reshape(1, -1, *x.shape[-2:])
    planes = planes.to(_working_dtype(x.dtype, x.shape[-2:], out_size))
    crops = []
    for axis, out in zip((-2, -1), out_size, strict=True):
        n = planes.shape[axis]
        shrink = max(n // out, 1)
        planes = extend(planes, 2 * shrink, axis)  # the widest kernel reaches 2 px, times the factor when shrinking
        crops.append((2 * shrink * out // n, out))
    extended = (out_size[0] + 2 * crops[0][0], out_size[1] + 2 * crops[1][0])
    y = F.interpolate(planes, size=extended, mode=method, antialias=True, align_corners=False)
    for axis, (start, length) in zip((-2, -1), crops, strict=True):
        y = y.narrow(axis, start, length)
    return y.reshape(*x.shape[:-2], *out_size).to(x.dtype)


def _working_dtype(dtype: torch.dtype, in_size: Sequence[int], out_size: Sequence[int]) -> torch.dtype:
    """Where the sums are done: at least float32, and float64 where torch's sample positions are no float32 numbers.

    Positions are multiples of 1 / (2 * factor): exact when shrinking and for factors 2, 4, 8. For x3 they would be off
    by up to 6e-8 of the position, which on a 1000 px side is an error of 0.02 grey levels.
    """
    factors = [max(out // n, 1) for n, out in zip(in_size, out_size, strict=True)]
    if dtype == torch.float64 or any(factor & (factor - 1) for factor in factors):
        return torch.float64
    return torch.float32


def extend(x: Tensor, pad: int, axis: int) -> Tensor:
    """`x` with `pad` mirrored pixels, edge repeated, on both ends of `axis`; in chunks where the image is smaller."""
    while pad > 0:
        n = min(pad, x.shape[axis])
        head, tail = x.narrow(axis, 0, n).flip(axis), x.narrow(axis, x.shape[axis] - n, n).flip(axis)
        x = torch.cat([head, x, tail], axis)
        pad -= n
    return x


def _by_matrices(x: Tensor, out_size: tuple[int, int], factors: tuple[float, float], method: str) -> Tensor:
    rows = _weights(x.shape[-2], out_size[0], factors[0], method).to(x.device)
    columns = _weights(x.shape[-1], out_size[1], factors[1], method).to(x.device)
    return (rows @ x.double() @ columns.T).to(x.dtype)


class Resampler(NamedTuple):
    """A kernel, how many px wide it is, and what a program does around it."""

    kernel: Callable[[np.ndarray], np.ndarray]
    width: float
    antialias: bool  # widen the kernel when shrinking
    border: str  # what lies outside: "mirror" (edge repeated), "clamp" (the edge pixel), "drop" (weights renormalised)
    phase: float = 0.5  # where in a pixel its sample lies: 0.5 the centre, 0 the top left corner


@lru_cache(maxsize=64)
def _weights(n: int, out: int, factor: float, method: str) -> Tensor:
    """(out, n) float64 matrix of one axis: MATLAB's `contributions`, with the taps beyond the border added up."""
    kernel, width, antialias, border, phase = METHODS[method]
    shrink = factor if factor < 1 and antialias else 1.0
    centre = (np.arange(out) + phase) / factor - phase  # MATLAB's u, counted from 0
    first = np.floor(centre - width / shrink / 2)
    taps = first[:, None] + np.arange(math.ceil(width / shrink) + 2)
    weights = kernel((centre[:, None] - taps) * shrink)
    taps = taps.astype(np.int64)
    if border == "mirror":
        taps = np.mod(taps, 2 * n)
        taps = np.minimum(taps, 2 * n - 1 - taps)
    elif border == "drop":
        weights = np.where((taps >= 0) & (taps < n), weights, 0)
    weights /= weights.sum(axis=1, keepdims=True)
    matrix = np.zeros((out, n))
    np.add.at(matrix, (np.arange(out)[:, None], np.clip(taps, 0, n - 1)), weights)
    return torch.from_numpy(matrix)


def _box(t: np.ndarray) -> np.ndarray:
    # 1e-9: a centre that lies half way between two pixels takes the right one, whatever its rounding error
    return ((t >= -0.5 - 1e-9) & (t < 0.5 - 1e-9)).astype(np.float64)


def _triangle(t: np.ndarray) -> np.ndarray:
    return np.maximum(1 - np.abs(t), 0)


def _cubic(t: np.ndarray, a: float = -0.5) -> np.ndarray:
    """Cubic convolution of Keys 1981, equation 15 for a = -0.5, which is exact for parabolas; OpenCV has a = -0.75."""
    t = np.abs(t)
    near = ((a + 2) * t - (a + 3)) * t**2 + 1
    far = ((a * t - 5 * a) * t + 8 * a) * t - 4 * a
    return np.where(t <= 1, near, np.where(t <= 2, far, 0))


def _lanczos(t: np.ndarray, lobes: int) -> np.ndarray:
    return np.where(np.abs(t) < lobes, np.sinc(t) * np.sinc(t / lobes), 0)


METHODS: dict[str, Resampler] = {
    "nearest": Resampler(_box, 1, antialias=False, border="mirror"),
    "bilinear": Resampler(_triangle, 2, antialias=True, border="mirror"),
    "bicubic": Resampler(_cubic, 4, antialias=True, border="mirror"),
    "bicubic_float": Resampler(_cubic, 4, antialias=True, border="mirror"),  # the same on float pixels, as here
    "bicubic_clamp": Resampler(_cubic, 4, antialias=True, border="clamp"),  # an older MATLAB
    "lanczos3": Resampler(partial(_lanczos, lobes=3), 6, antialias=True, border="mirror"),
    "area": Resampler(_box, 1, antialias=True, border="mirror"),
    # OpenCV's modules/imgproc/src/resize.cpp: INTER_NEAREST, _LINEAR, _CUBIC, _LANCZOS4, none of them antialiased
    "opencv_nearest": Resampler(lambda t: _box(t - 0.5), 1, antialias=False, border="clamp", phase=0),
    "opencv_bilinear": Resampler(_triangle, 2, antialias=False, border="clamp"),
    "opencv_bicubic": Resampler(partial(_cubic, a=-0.75), 4, antialias=False, border="clamp"),
    "opencv_lanczos4": Resampler(partial(_lanczos, lobes=4), 8, antialias=False, border="clamp"),
    # Pillow's src/libImaging/Resample.c on mode F
    "pil_bilinear": Resampler(_triangle, 2, antialias=True, border="drop"),
    "pil_bicubic": Resampler(_cubic, 4, antialias=True, border="drop"),
    "pil_lanczos": Resampler(partial(_lanczos, lobes=3), 6, antialias=True, border="drop"),
}
