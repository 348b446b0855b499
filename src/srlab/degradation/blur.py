"""B of L = DBMH + n: optics out of focus (Gaussian), a camera in motion (a line), or a measured kernel (a file)."""

import math
from pathlib import Path

import numpy as np
import torch
from kornia.filters import filter2d, filter2d_separable
from torch import Tensor

from srlab.errors import SrlabError
from srlab.files import anchored
from srlab.images.resample import extend

REACH = 4.0  # a Gaussian is cut off this many standard deviations from its centre, like scipy's gaussian_filter
LINE_SAMPLES = 64  # points per pixel that make up a motion line; weights are then within 1e-4 of the integral


def gaussian_blur(x: Tensor, sigma: Tensor, anisotropy: Tensor, angle: Tensor) -> Tensor:
    """(B, C, H, W) float, each image blurred by a Gaussian of `sigma` (B,) px; 0 leaves an image untouched.

    Across the direction `angle` (B,), in degrees anticlockwise from the row, the standard deviation is only
    sigma * (1 - anisotropy), 0 <= anisotropy (B,) < 1. Borders are mirrored, the edge repeated.
    """
    blurred = sigma > 0
    if not blurred.any():
        return x
    result = x.clone()
    if anisotropy[blurred].any():
        result[blurred] = convolve(x[blurred], gaussian_kernel(sigma[blurred], anisotropy[blurred], angle[blurred]))
    else:
        line = _gaussian_line(sigma[blurred]).to(x)
        pad = line.shape[1] // 2
        padded = extend(extend(x[blurred], pad, -2), pad, -1)
        result[blurred] = filter2d_separable(padded, line, line, padding="valid")
    return result


def motion_blur(x: Tensor, length: Tensor, angle: Tensor) -> Tensor:
    """(B, C, H, W) float, each image smeared along `length` (B,) px in direction `angle` (B,); 0 leaves it untouched.

    Angles in degrees anticlockwise from the row. The smear is centred, so that nothing is displaced on average.
    Borders are mirrored, the edge repeated.
    """
    blurred = length > 0
    if not blurred.any():
        return x
    result = x.clone()
    result[blurred] = convolve(x[blurred], motion_kernel(length[blurred], angle[blurred]))
    return result


def convolve(x: Tensor, kernels: Tensor) -> Tensor:
    """(B, C, H, W) float convolved (kernel flipped, unlike MATLAB's imfilter) with (B or 1, k, k), k odd; same size."""
    rows, columns = (side // 2 for side in kernels.shape[-2:])
    padded = extend(extend(x, rows, -2), columns, -1)
    return filter2d(padded, kernels.to(x), padding="valid", behaviour="conv")


def gaussian_kernel(sigma: Tensor, anisotropy: Tensor, angle: Tensor) -> Tensor:
    """float64 (B, k, k) of sum 1, k odd: as `gaussian_blur` says, cut off at REACH * sigma in rows and columns."""
    radius = torch.ceil(REACH * sigma.double())
    offsets = torch.arange(-int(radius.max()), int(radius.max()) + 1, dtype=torch.float64)
    down, right = torch.meshgrid(offsets, offsets, indexing="ij")
    cosine, sine = (f(torch.deg2rad(angle.double()))[:, None, None] for f in (torch.cos, torch.sin))
    along, across = right * cosine - down * sine, right * sine + down * cosine  # rows count downwards
    wide = sigma.double()[:, None, None]
    narrow = wide * (1 - anisotropy.double()[:, None, None])
    kernel = torch.exp(-0.5 * ((along / wide) ** 2 + (across / narrow) ** 2))
    kernel *= torch.maximum(down.abs(), right.abs()) <= radius[:, None, None]
    return kernel / kernel.sum(dim=(1, 2), keepdim=True)


def motion_kernel(length: Tensor, angle: Tensor) -> Tensor:
    """float64 (B, k, k) of sum 1, k odd: a line of `length` (B,) px drawn with bilinear weights."""
    radius = math.ceil(float(length.max()) / 2) + 1
    kernels = torch.zeros(len(length), 2 * radius + 1, 2 * radius + 1, dtype=torch.float64)
    for kernel, long, degrees in zip(kernels, length.tolist(), angle.tolist(), strict=True):
        count = LINE_SAMPLES * math.ceil(long)
        position = ((torch.arange(count, dtype=torch.float64) + 0.5) / count - 0.5) * long
        right = position * math.cos(math.radians(degrees)) + radius
        down = radius - position * math.sin(math.radians(degrees))
        left, top = right.floor().long(), down.floor().long()
        for row, weight in ((top, 1 - (down - top)), (top + 1, down - top)):
            kernel.index_put_((row, left), weight * (1 - (right - left)) / count, accumulate=True)
            kernel.index_put_((row, left + 1), weight * (right - left) / count, accumulate=True)
    return kernels


def read_kernel(path: Path | str) -> Tensor:
    """float64 (k, l) of sum 1, k and l odd, from a 2-D .npy or a .txt of numbers (blanks or commas between them).

    SrlabError if the file is missing, of another kind, not a finite matrix with odd sides, or of a sum not above 0.
    """
    path = anchored(path)
    try:
        if path.suffix == ".npy":
            kernel = np.load(path, allow_pickle=False).astype(np.float64)
        elif path.suffix == ".txt":
            kernel = np.loadtxt(path.read_text(encoding="utf-8").replace(",", " ").splitlines(), ndmin=2)
        else:
            raise SrlabError(f"blur kernel {path} is neither .npy nor .txt: save it as one of them")
    except FileNotFoundError:
        raise SrlabError(f"blur kernel {path} does not exist: correct degrade.kernel in params.yaml") from None
    except (ValueError, OSError, TypeError) as error:
        raise SrlabError(
            f"blur kernel {path} cannot be read ({' '.join(str(error).split())}): save it again"
        ) from error
    if kernel.ndim != 2 or any(side % 2 == 0 for side in kernel.shape):
        raise SrlabError(f"blur kernel {path} has the shape {kernel.shape}: give it rows and columns of odd number")
    if not np.isfinite(kernel).all() or kernel.sum() <= 0:
        raise SrlabError(f"blur kernel {path} does not sum to a positive number: fix its values")
    return torch.from_numpy(kernel / kernel.sum())


def _gaussian_line(sigma: Tensor) -> Tensor:
    """float64 (B, k) of sum 1: a row of `gaussian_kernel` without anisotropy."""
    radius = torch.ceil(REACH * sigma.double())
    offsets = torch.arange(-int(radius.max()), int(radius.max()) + 1, dtype=torch.float64)
    line = torch.exp(-0.5 * (offsets / sigma.double()[:, None]) ** 2) * (offsets.abs() <= radius[:, None])
    return line / line.sum(dim=1, keepdim=True)
