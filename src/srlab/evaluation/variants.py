"""Other people's protocols: one image, resampled and scored in each of the ways that published tables differ in.

The project's own scores never come from here (`protocol` has those); this module explains figures that are not ours.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from srlab.degradation.reduction import reduce_bicubic
from srlab.evaluation.metrics.psnr import psnr
from srlab.evaluation.metrics.ssim import C1, C2, ssim
from srlab.evaluation.protocol import Protocol
from srlab.images.resample import imresize, to_uint8

Resize = Callable[[np.ndarray, int], np.ndarray]  # uint8 (H, W, C) and the factor to uint8

COLOURS = {
    "studio": "studio-range luma",
    "studio-float": "studio-range luma not rounded to 8 bit, grey images turned into RGB first",
    "full": "full-range luma",
    "rgb": "RGB",
    "grey-as-rgb": "studio-range luma, grey images turned into RGB first",
}
PROTOCOLS = {  # of the studio-range colours: how luma is made
    "studio": Protocol("classic", rounded_luma=True, grey_as_rgb=False),
    "studio-float": Protocol("modern", rounded_luma=False, grey_as_rgb=True),
    "grey-as-rgb": Protocol("", rounded_luma=True, grey_as_rgb=True),
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

    @property
    def protocol(self) -> str:
        """`classic` (8-bit luma, grey as it is) or `modern` (float luma, grey as RGB), as it scores; "" for others."""
        return PROTOCOLS[self.colour].name if self.border and self.colour in PROTOCOLS else ""

    def __str__(self) -> str:
        border = "border of `scale` px ignored" if self.border else "no border ignored"
        first = ", luma taken before resizing" if self.luma_first else ""
        name = f" (`{self.protocol}`)" if self.protocol else ""
        return f"{RESAMPLERS[self.resampler].label}; {COLOURS[self.colour]}{first}; {border}{name}"


class Resampler(NamedTuple):
    """How LR is made and enlarged again; `method` is the name that tables print for it."""

    label: str
    method: str
    down: Resize
    up: Resize


def reconstruct(image: np.ndarray, scale: int, variant: Variant) -> tuple[Tensor, Tensor]:
    """(result, original), float64 (C, 1, H, W) in [0, 1], of a uint8 image (H, W, 1 or 3).

    The image is cut to multiples of `scale` at the bottom right; C is 3 for RGB, else 1. Both images have 8 bits per
    channel, and so has the luma of all colours but `studio-float`.
    """
    height, width = (side // scale * scale for side in image.shape[:2])
    original, colour = np.ascontiguousarray(image[:height, :width]), variant.colour
    if variant.luma_first:
        original = to_uint8(_planes(original, colour)[:, 0].permute(1, 2, 0).contiguous().numpy())
        colour = "rgb"  # that is, all channels there are: the luma
    resampler = RESAMPLERS[variant.resampler]
    result = resampler.up(resampler.down(original, scale), scale)
    return _planes(result, colour), _planes(original, colour)


def score(image: np.ndarray, scale: int, variant: Variant, kinds: Mapping[str, "Ssim"]) -> dict[str, float]:
    """{"psnr": dB, kind: SSIM for each of `kinds` of one uint8 image (H, W, 1 or 3) under `variant`.

    In RGB the PSNR is that of the squared error over all channels, the SSIM the mean of the channels'.
    """
    result, original = reconstruct(image, scale, variant)
    pixels = scale if variant.border else 0
    errors = 10 ** (-psnr(result, original, pixels) / 10)
    scores = {"psnr": -10 * errors.mean().log10().item()}
    return scores | {name: kind(result, original, pixels).mean().item() for name, kind in kinds.items()}


def scikit_ssim(result: Tensor, original: Tensor, border: int) -> Tensor:
    """SSIM per image, (B,), as scikit-image's defaults give it: 7x7 uniform window, sample covariance, valid region."""
    from skimage.metrics import structural_similarity  # imports scipy, which `srlab audit` has no need of

    pairs = zip(_inside(result, border).numpy(), _inside(original, border).numpy(), strict=True)
    return torch.tensor([structural_similarity(x, y, data_range=1.0) for x, y in pairs], dtype=torch.float64)


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
    """Float64 (C, 1, H, W) of uint8 (H, W, 1 or 3): what is compared under `colour`."""
    if colour in PROTOCOLS:
        return PROTOCOLS[colour].planes(image, "luma")
    if colour == "full" and image.shape[2] == 3:
        # JFIF, and OpenCV's and Pillow's YCbCr: BT.601 without head and foot room
        image = to_uint8(image @ np.array([[0.299], [0.587], [0.114]]) / 255)
    return torch.from_numpy(image.copy()).permute(2, 0, 1)[:, None].double() / 255


def _plain_cubic(image: np.ndarray, scale: int) -> np.ndarray:
    """MATLAB's imresize(image, 1 / scale, 'Antialiasing', false): Keys' four taps, a = -0.5, at the pixel centres."""
    if scale % 2:  # centres fall on pixels
        return np.ascontiguousarray(image[scale // 2 :: scale, scale // 2 :: scale])
    for axis in (0, 1):
        x = image.swapaxes(0, axis)
        padded = np.pad(x.astype(np.float64), [(2, 2), (0, 0), (0, 0)], mode="symmetric")
        a, b, c, d = (padded[scale // 2 + tap :: scale][: len(x) // scale] for tap in range(4))
        image = to_uint8((9 * (b + c) - a - d) / 16 / 255).swapaxes(0, axis)
    return image


def _reduced(method: str) -> Resize:
    return lambda image, scale: to_uint8(imresize(image / 255.0, scale=1 / scale, method=method))


def _matlab_up(image: np.ndarray, scale: int) -> np.ndarray:
    """MATLAB's imresize of 8-bit images: rounded after each pass, height first, when enlarging too."""
    height, width = (side * scale for side in image.shape[:2])
    rows = to_uint8(imresize(image / 255.0, size=(height, image.shape[1])))
    return to_uint8(imresize(rows / 255.0, size=(height, width)))


def _enlarged(method: str) -> Resize:
    return lambda image, scale: to_uint8(imresize(image / 255.0, scale=float(scale), method=method))


_OPENCV_UP = _enlarged("opencv_bicubic")
RESAMPLERS = {
    "matlab": Resampler("MATLAB bicubic both ways", "bicubic", reduce_bicubic, _matlab_up),
    "opencv": Resampler(
        "OpenCV INTER_CUBIC both ways (no antialias, a = -0.75)", "bicubic", _reduced("opencv_bicubic"), _OPENCV_UP
    ),
    "pillow": Resampler("Pillow BICUBIC both ways", "bicubic", _reduced("pil_bicubic"), _enlarged("pil_bicubic")),
    "no-antialias": Resampler("MATLAB bicubic both ways, Antialiasing false", "bicubic", _plain_cubic, _matlab_up),
    "area-opencv": Resampler("OpenCV INTER_AREA down, INTER_CUBIC up", "bicubic", _reduced("area"), _OPENCV_UP),
    "matlab-opencv": Resampler("MATLAB bicubic down, OpenCV INTER_CUBIC up", "bicubic", reduce_bicubic, _OPENCV_UP),
    "nearest": Resampler("MATLAB bicubic down, nearest up", "nearest", reduce_bicubic, _enlarged("nearest")),
}
Ssim = Callable[[Tensor, Tensor, int], Tensor]
SSIMS: dict[str, Ssim] = {"gauss": ssim, "scikit": scikit_ssim, "daala": daala_ssim}
SSIM_LABELS = {
    "gauss": "SSIM with an 11x11 Gaussian window, valid region",
    "scikit": "SSIM with scikit-image's defaults",
    "daala": "SSIM in the manner of daala",
}
