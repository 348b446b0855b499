"""Other people's protocols: one image, resampled and scored in each of the ways that published tables differ in.

The project's own scores never come from here (`protocol` has those); this module explains figures that are not ours.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from srlab.data.resample import imresize, to_uint8
from srlab.evaluation.metrics.psnr import psnr
from srlab.evaluation.metrics.ssim import C1, C2, mean_ssim, ssim
from srlab.evaluation.protocol import Protocol

Resize = Callable[[np.ndarray, int], np.ndarray]  # uint8 (H, W, C) and the factor to uint8

COLOURS = {
    "studio": "studio-range luma",
    "full": "full-range luma",
    "rgb": "RGB",
    "grey-as-rgb": "studio-range luma, grey images turned into RGB first",
}


@dataclass(frozen=True)
class Variant:
    """One way to reduce, enlarge and score; `resampler` is a key of RESAMPLERS, `colour` one of COLOURS.

    `border`: whether `scale` pixels on each side are ignored. `luma_first`: resample the 8-bit luma, as MATLAB scripts
    do, and not the 8-bit RGB image.
    """

    resampler: str
    colour: str
    border: bool
    luma_first: bool

    def __str__(self) -> str:
        border = "border of `scale` px ignored" if self.border else "no border ignored"
        first = ", luma taken before resizing" if self.luma_first else ""
        return f"{RESAMPLERS[self.resampler].label}; {COLOURS[self.colour]}{first}; {border}"


@dataclass(frozen=True)
class Resampler:
    """How LR is made and enlarged again; `method` is the name that tables print for it."""

    label: str
    method: str
    down: Resize
    up: Resize


def reconstruct(image: np.ndarray, scale: int, variant: Variant) -> tuple[Tensor, Tensor]:
    """(result, original), float64 (C, 1, H, W) in [0, 1], multiples of 1/255, of a uint8 image (H, W, 1 or 3).

    The image is cut to multiples of `scale` at the bottom right; C is 3 for RGB, else 1.
    """
    height, width = (side // scale * scale for side in image.shape[:2])
    original = np.ascontiguousarray(image[:height, :width])
    if variant.colour == "grey-as-rgb":
        original = original.repeat(3 // original.shape[2], axis=2)
    if variant.luma_first:
        original = _as_uint8(_planes(original, variant.colour))
    resampler = RESAMPLERS[variant.resampler]
    result = resampler.up(resampler.down(original, scale), scale)
    return _planes(result, variant.colour), _planes(original, variant.colour)


def score(image: np.ndarray, scale: int, variant: Variant, kinds: Mapping[str, "Ssim"]) -> dict[str, float]:
    """{"psnr": dB, kind: SSIM for each of `kinds`} of one uint8 image (H, W, 1 or 3) under `variant`.

    In RGB the PSNR is that of the squared error over all channels, the SSIM the mean of the channels'.
    """
    result, original = reconstruct(image, scale, variant)
    pixels = scale if variant.border else 0
    errors = 10 ** (-psnr(result, original, pixels) / 10)
    scores = {"psnr": -10 * errors.mean().log10().item()}
    return scores | {name: kind(result, original, pixels).mean().item() for name, kind in kinds.items()}


def scikit_ssim(result: Tensor, original: Tensor, border: int) -> Tensor:
    """SSIM per image, (B,), as scikit-image's defaults give it: 7x7 uniform window, sample covariance, valid region."""
    x, y = _inside(result, border), _inside(original, border)
    return mean_ssim(x, y, [1 / 7] * 7, bessel=49 / 48)


def daala_ssim(result: Tensor, original: Tensor, border: int) -> Tensor:
    """SSIM per image, (B,), in the manner of daala's `dump_ssim`, the tool of Ledig et al. 2017 (sec. 3.1).

    The Gaussian window grows with the picture (sigma = 1.5 * H / 256) and is cut off at the edges, where the map counts
    less. Theirs filters with 8-bit integer weights; on bicubic x4 this reads 0.0005 to 0.0012 above Table 2.
    """
    x, y = _inside(result, border), _inside(original, border)
    sigma = 1.5 * x.shape[1] / 256
    rows, columns = _gaussian_band(x.shape[1], sigma), _gaussian_band(x.shape[2], sigma)
    weights = rows.sum(1)[:, None] * columns.sum(1)
    x_mean, y_mean, squares, products = (rows @ plane @ columns.T / weights for plane in (x, y, x * x + y * y, x * y))
    luminance = (2 * x_mean * y_mean + C1) / (x_mean**2 + y_mean**2 + C1)
    structure = (2 * (products - x_mean * y_mean) + C2) / (squares - x_mean**2 - y_mean**2 + C2)
    return (luminance * structure * weights).sum((1, 2)) / weights.sum()


def _gaussian_band(length: int, sigma: float) -> Tensor:
    """(length, length) Gaussian weights of sample j at i, up to 4 sigma."""
    distance = (torch.arange(length)[:, None] - torch.arange(length)).double()
    return torch.exp(-(distance**2) / (2 * sigma**2)) * (distance.abs() <= 4 * sigma)


def _inside(planes: Tensor, border: int) -> Tensor:
    """(B, H - 2 * border, W - 2 * border) of (B, 1, H, W)."""
    return planes[:, 0, border : planes.shape[2] - border, border : planes.shape[3] - border]


def _planes(image: np.ndarray, colour: str) -> Tensor:
    """Float64 (C, 1, H, W) of uint8 (H, W, 1 or 3): what is compared under `colour`; a grey image is itself."""
    if image.shape[2] == 1 or colour == "rgb":
        return torch.from_numpy(image.copy()).permute(2, 0, 1)[:, None].double() / 255
    if colour == "full":  # JFIF, and OpenCV's and Pillow's YCbCr: BT.601 without head and foot room
        luma = image.astype(np.float64) @ np.array([0.299, 0.587, 0.114])
        return torch.from_numpy(to_uint8(luma / 255))[None, None].double() / 255
    return Protocol("classic", rounded_luma=True, grey_as_rgb=False).planes(image, "luma")


def _as_uint8(planes: Tensor) -> np.ndarray:
    return (planes[:, 0] * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()


def _interpolate(image: np.ndarray, scale: float, mode: str) -> np.ndarray:
    """OpenCV's INTER_CUBIC or INTER_LINEAR: a = -0.75, never antialiased, edges repeated."""
    pixels = torch.from_numpy(image.copy()).permute(2, 0, 1)[None].double() / 255
    size = [round(side * scale) for side in image.shape[:2]]
    return to_uint8(F.interpolate(pixels, size=size, mode=mode, align_corners=False)[0].permute(1, 2, 0).numpy())


def _area(image: np.ndarray, scale: int) -> np.ndarray:
    height, width, channels = image.shape
    blocks = image.reshape(height // scale, scale, width // scale, scale, channels)
    return to_uint8(blocks.mean((1, 3)) / 255)


def _pillow(image: np.ndarray, scale: float) -> np.ndarray:
    height, width = (round(side * scale) for side in image.shape[:2])
    planes = [
        Image.fromarray(plane).resize((width, height), Image.Resampling.BICUBIC) for plane in image.transpose(2, 0, 1)
    ]
    return np.stack([np.asarray(plane) for plane in planes], axis=2)


def _plain_cubic(image: np.ndarray, scale: int) -> np.ndarray:
    """MATLAB's imresize(image, 1 / scale, 'Antialiasing', false): Keys' four taps, a = -0.5, at the pixel centres."""
    if scale % 2:  # centres fall on pixels
        return np.ascontiguousarray(image[scale // 2 :: scale, scale // 2 :: scale])
    taps, first = np.array([-1, 9, 9, -1]) / 16, scale // 2 - 2
    pixels = image / 255.0
    for axis in (0, 1):
        length = image.shape[axis] // scale
        padded = np.pad(pixels, [(2, 2) if each == axis else (0, 0) for each in range(3)], mode="symmetric")
        indices = np.arange(length) * scale + first + 2
        pixels = sum(tap * padded.take(indices + k, axis) for k, tap in enumerate(taps))
    return to_uint8(np.asarray(pixels))


def _matlab(method: str) -> Resize:
    return lambda image, scale: to_uint8(imresize(image / 255.0, scale=float(scale), method=method))


_MATLAB_DOWN: Resize = lambda image, scale: to_uint8(imresize(image / 255.0, scale=1 / scale))  # noqa: E731
_CUBIC_UP: Resize = lambda image, scale: _interpolate(image, scale, "bicubic")  # noqa: E731
_CUBIC_DOWN: Resize = lambda image, scale: _interpolate(image, 1 / scale, "bicubic")  # noqa: E731
RESAMPLERS = {
    "matlab": Resampler("MATLAB bicubic both ways", "bicubic", _MATLAB_DOWN, _matlab("bicubic")),
    "opencv": Resampler("OpenCV INTER_CUBIC both ways (no antialias, a = -0.75)", "bicubic", _CUBIC_DOWN, _CUBIC_UP),
    "pillow": Resampler("Pillow BICUBIC both ways", "bicubic", lambda image, scale: _pillow(image, 1 / scale), _pillow),
    "no-antialias": Resampler(
        "MATLAB bicubic both ways, Antialiasing false", "bicubic", _plain_cubic, _matlab("bicubic")
    ),
    "area-opencv": Resampler("OpenCV INTER_AREA down, INTER_CUBIC up", "bicubic", _area, _CUBIC_UP),
    "matlab-opencv": Resampler("MATLAB bicubic down, OpenCV INTER_CUBIC up", "bicubic", _MATLAB_DOWN, _CUBIC_UP),
    "nearest": Resampler("MATLAB bicubic down, nearest up", "nearest", _MATLAB_DOWN, _matlab("nearest")),
}
Ssim = Callable[[Tensor, Tensor, int], Tensor]
SSIMS: dict[str, Ssim] = {"gauss": ssim, "scikit": scikit_ssim, "daala": daala_ssim}
SSIM_LABELS = {
    "gauss": "SSIM with an 11x11 Gaussian window, valid region",
    "scikit": "SSIM with scikit-image's defaults",
    "daala": "SSIM in the manner of daala",
}
