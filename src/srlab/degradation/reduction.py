"""Bicubic reduction of 8-bit images by a whole factor as MATLAB's `imresize` does it, in exact whole numbers.

MATLAB reduces a uint8 image height first, rounds and clips to uint8, then reduces the width and rounds again
(imresize.m, `resizeAlongDim`, called once per dimension on the class of the input). Five LR images of Set5 made with
MATLAB equal the result pixel for pixel; rounding only once changes one value in ten by 1.

Seen from the output grid every pixel of a reduction by s has the same weights, and times a small whole number they are
whole numbers. Sums of 8-bit pixels times those are whole numbers too, which float32 (below 2^24) and float64 (below
2^53) hold without rounding: matrix products at full speed, and every half is known to be a half. Adding up shifted
copies of the image instead would be shorter, and 3 to 8 times as slow (measured at x2 to x8 on 0.15 and 2.8 MPix).
"""

import math
from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from srlab.images.resample import METHODS

ROWS = 4  # output rows per matrix product: few enough for the cache, enough to keep the multipliers busy (measured)
# Multiplications per matrix product: OpenBLAS, numpy's, computes so few on the caller's thread (its interface/gemm.c).
# Its own threads would wait for each other beside other processes, which made a busy machine 10 times slower.
PRODUCTS = 2**18


class Reduction(NamedTuple):
    """How a program reduces a uint8 image: what lies beyond the border, and whether it rounds after each pass."""

    border: Literal["symmetric", "edge"]  # of numpy.pad: mirrored with the edge repeated, or the edge pixel
    rounds_twice: bool


REDUCTIONS = {  # names of `degrade.method` in params.yaml
    "bicubic": Reduction("symmetric", rounds_twice=True),  # MATLAB: the LR images of the literature
    "bicubic_clamp": Reduction("edge", rounds_twice=True),  # an older MATLAB: the LR images published with SelfExSR
    "bicubic_float": Reduction("symmetric", rounds_twice=False),  # MATLAB on double images, rounded once at the end
}


def described(scale: int, method: str = "bicubic") -> str:
    """What a store says of LR images that `reduce_bicubic` made."""
    return f"Bicubic(scale={scale}, method={method})"


def reduce_bicubic(hr: np.ndarray, scale: int, method: str = "bicubic") -> np.ndarray:
    """uint8 (H / scale, W / scale, C) of uint8 (H, W, C) with sides that are multiples of `scale`; else ValueError.

    `method` is a key of REDUCTIONS. Flips commute with all of them. Turns by 90 degrees commute with `bicubic_float`
    alone: where rounding follows the first pass, turning makes it the other axis's.
    """
    height, width, channels = hr.shape
    if height % scale or width % scale:
        raise ValueError(f"sides {height}x{width} are no multiples of {scale}")
    border, rounds_twice = REDUCTIONS[method]
    weights, denominator, _ = _taps(scale)
    dtype = np.float32 if int(np.abs(weights).sum()) * 255 <= 2**24 else np.float64
    rows: np.ndarray = _reduce_rows(hr.reshape(height, width * channels), scale, dtype, border)
    if rounds_twice:
        rows = _rounded(rows, denominator)
    else:
        dtype, denominator = np.float64, denominator**2
    # columns become rows: (h, W * C) -> (W, C * h)
    columns = np.ascontiguousarray(rows.T).reshape(width, -1)
    small = _rounded(_reduce_rows(columns, scale, dtype, border), denominator).reshape(-1, height // scale).T
    return np.ascontiguousarray(small).reshape(height // scale, width // scale, channels)


def _rounded(sums: np.ndarray, denominator: int) -> np.ndarray:
    """uint8 of whole sums: halves up, like MATLAB's uint8() of positive numbers; float64 tells halves from others."""
    levels = sums / np.float64(denominator)
    levels += 0.5
    return np.clip(levels, 0, 255.5, out=levels).astype(np.uint8)


def _reduce_rows(
    x: np.ndarray, scale: int, dtype: type[np.floating], border: Literal["symmetric", "edge"]
) -> np.ndarray:
    """(n / scale, m) sums over the first axis of (n, m), times the denominator."""
    n, m = x.shape
    matrix, first = _block(scale, dtype)
    num_blocks, reach = -(-n // (ROWS * scale)), matrix.shape[1]
    end = first + (num_blocks - 1) * ROWS * scale + reach
    padded = np.pad(x, ((-first, end - n), (0, 0)), border).astype(dtype)
    blocks = sliding_window_view(padded, reach, axis=0)[:: ROWS * scale].swapaxes(
        1, 2
    )  # (num_blocks, reach, m), a view
    y = np.empty((num_blocks, ROWS, m), dtype)
    width = max(1, PRODUCTS // matrix.size)
    for left in range(0, m, width):
        strip = (..., slice(left, left + width))
        np.matmul(matrix, blocks[strip], out=y[strip])
    return y.reshape(-1, m)[: n // scale]


@lru_cache
def _taps(scale: int) -> tuple[np.ndarray, int, int]:
    """Whole weights (int64), what to divide their sums by, and the first tap of output row 0."""
    # Keys' polynomial at multiples of 1 / (2 s) has the denominator 16 s^3, and widening the kernel divides by s
    denominator = 16 * scale**4
    taps = np.arange(-2 * scale, 3 * scale + 1)
    exact = METHODS["bicubic"].kernel((taps - (scale - 1) / 2) / scale) * denominator / scale
    weights = np.rint(exact).astype(np.int64)
    inside = np.flatnonzero(weights)
    weights, first = weights[inside[0] : inside[-1] + 1], int(taps[inside[0]])
    divisor = math.gcd(*weights.tolist())
    assert np.abs(weights - exact[inside[0] : inside[-1] + 1]).max() < 1e-4
    assert weights.sum() == denominator
    return weights // divisor, denominator // divisor, first


@lru_cache
def _block(scale: int, dtype: type[np.floating]) -> tuple[np.ndarray, int]:
    """(ROWS, reach) weights of ROWS output rows side by side, and the first tap of the first."""
    weights, _, first = _taps(scale)
    matrix = np.zeros((ROWS, (ROWS - 1) * scale + len(weights)), dtype)
    for row in range(ROWS):
        matrix[row, row * scale : row * scale + len(weights)] = weights
    return matrix, first
