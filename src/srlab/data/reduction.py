"""MATLAB's bicubic reduction of 8-bit images by a whole factor, in exact whole numbers.

Seen from the output grid every pixel of a reduction by s has the same weights, and times a small whole number they are
whole numbers. Sums of 8-bit pixels times those are whole numbers too, which float32 (below 2^24) and float64 (below
2^53) hold without rounding: matrix products at full speed, one rounding at the very end. Hence a turned image gives the
turned result bit for bit, and the result equals `to_uint8(imresize(hr / 255.0, scale=1 / s))`.
"""

import math
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from srlab.data.resample import HALF_TOLERANCE, METHODS

ROWS = 8  # output rows per matrix product: few enough for the cache, enough to keep the multipliers busy (measured)
MIDDLE = 128  # of the pixels, taken off them where sums would not stay below 2^24 otherwise


def reduce_bicubic(hr: np.ndarray, scale: int) -> np.ndarray:
    """uint8 (H / scale, W / scale, C) of uint8 (H, W, C) with sides that are multiples of `scale`; else ValueError."""
    height, width, channels = hr.shape
    if height % scale or width % scale:
        raise ValueError(f"sides {height}x{width} are no multiples of {scale}")
    denominator = _taps(scale)[1]
    x = torch.from_numpy(np.ascontiguousarray(hr)).reshape(height, width * channels)
    dtype, offset = _first_pass(scale)
    rows = _reduce_rows(x, scale, dtype, offset)
    # columns become rows: (h, W * C) -> (W, C * h)
    columns = _reduce_rows(rows.T.reshape(width, -1), scale, torch.float64, 0)
    levels = columns.div_(denominator**2).add_(offset).clamp_(0, 255).add_(0.5 + HALF_TOLERANCE).to(torch.uint8)
    small = levels.reshape(-1, height // scale).T.reshape(height // scale, width // scale, channels)
    return small.contiguous().numpy()


def _reduce_rows(x: Tensor, scale: int, dtype: torch.dtype, offset: int) -> Tensor:
    """(n / scale, m) sums over the first axis of (n, m), times the denominator; `offset` is taken off x first."""
    n, m = x.shape
    out = n // scale
    matrix, first = _block(scale)
    matrix = matrix.to(dtype)
    num_blocks, reach = -(-out // ROWS), matrix.shape[1]
    y = torch.empty(num_blocks * ROWS, m, dtype=dtype)
    rows = torch.empty(reach, m, dtype=dtype)
    for block in range(num_blocks):
        start = block * ROWS * scale + first
        if start >= 0 and start + reach <= n:
            rows.copy_(x[start : start + reach])
        else:
            rows.copy_(x.index_select(0, _mirrored(start, start + reach, n)))
        if offset:
            rows.sub_(offset)
        torch.mm(matrix, rows, out=y[block * ROWS : (block + 1) * ROWS])
    return y[:out]


def _mirrored(start: int, stop: int, n: int) -> Tensor:
    """Rows start .. stop - 1 of n, mirrored at both ends with the edge repeated."""
    rows = np.mod(np.arange(start, stop), 2 * n)
    return torch.from_numpy(np.minimum(rows, 2 * n - 1 - rows))


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
def _block(scale: int) -> tuple[Tensor, int]:
    """float64 (ROWS, reach) weights of ROWS output rows side by side, and the first tap of the first."""
    weights, _, first = _taps(scale)
    matrix = np.zeros((ROWS, (ROWS - 1) * scale + len(weights)))
    for row in range(ROWS):
        matrix[row, row * scale : row * scale + len(weights)] = weights
    return torch.from_numpy(matrix), first


@lru_cache
def _first_pass(scale: int) -> tuple[torch.dtype, int]:
    """In which type the sums over 8-bit pixels are exact, and what has to be taken off the pixels for it.

    As they are in float32 at x2, x3 and x4, 128 less at x8, in float64 at scales with larger whole weights.
    """
    largest = int(np.abs(_taps(scale)[0]).sum())
    if largest * 255 <= 2**24:
        return torch.float32, 0
    return (torch.float32 if largest * MIDDLE <= 2**24 else torch.float64), MIDDLE
