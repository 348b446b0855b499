"""Measure src/srlab/report/protocols.csv again: `SRLAB_DATASETS=... python benchmarks/make_protocols.py` (minutes)."""

import csv
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import torch
from joblib import Parallel, delayed
from skimage.metrics import structural_similarity
from torch import Tensor

from srlab.degradation.reduction import reduce_bicubic
from srlab.evaluation.metrics.psnr import psnr
from srlab.evaluation.metrics.ssim import C1, C2, ssim
from srlab.evaluation.protocol import Protocol
from srlab.files import replacing
from srlab.images.files import read_image
from srlab.images.resample import imresize, to_uint8
from srlab.progress import track
from srlab.report.protocols import SSIM_LABELS, Variant

TARGET = Path(__file__).parents[1] / "src/srlab/report/protocols.csv"
SCALES, SETS = (4, 3, 2), ("Set5", "Set14", "BSD100")
FIELDS = ("scale", "set", "resampler", "colour", "border", "luma_first", "psnr", *SSIM_LABELS)
HEADER = """\
# Bicubic and nearest on the uncropped HR images of Set5, Set14 and BSD100 under the protocol variants of
# srlab.report.protocols, measured by benchmarks/make_protocols.py; 8-bit images at every step. PSNR in dB.
"""
Resize = Callable[[np.ndarray, int], np.ndarray]  # uint8 (H, W, C) and the factor to uint8
Ssim = Callable[[Tensor, Tensor, int], Tensor]
PROTOCOLS = {  # of the studio-range colours: how luma is made
    "studio": Protocol("classic", rounded_luma=True, grey_as_rgb=False),
    "studio-float": Protocol("modern", rounded_luma=False, grey_as_rgb=True),
    "grey-as-rgb": Protocol("", rounded_luma=True, grey_as_rgb=True),
}


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
    down, up = RESAMPLERS[variant.resampler]
    result = up(down(original, scale), scale)
    return _planes(result, colour), _planes(original, colour)


def score(image: np.ndarray, scale: int, variant: Variant, kinds: Mapping[str, Ssim]) -> dict[str, float]:
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


OPENCV_UP = _enlarged("opencv_bicubic")
RESAMPLERS: dict[str, tuple[Resize, Resize]] = {  # down, up
    "matlab": (reduce_bicubic, _matlab_up),
    "opencv": (_reduced("opencv_bicubic"), OPENCV_UP),
    "no-antialias": (_plain_cubic, _matlab_up),
    "area-opencv": (_reduced("area"), OPENCV_UP),
    "matlab-opencv": (reduce_bicubic, OPENCV_UP),
    "nearest": (reduce_bicubic, _enlarged("nearest")),
}
SSIMS: dict[str, Ssim] = {"gauss": ssim, "scikit": scikit_ssim, "daala": daala_ssim}


def variants(images: Sequence[np.ndarray]) -> Iterator[Variant]:
    """Every variant worth measuring on uint8 `images` (H, W, C): grey turned into RGB only where an image is grey.

    Not Pillow's bicubic, which lies within 0.003 dB and 0.0002 of MATLAB's.
    """
    for resampler in RESAMPLERS:
        for colour in ("studio", "full", "rgb"):
            yield Variant(resampler, colour, border=True, luma_first=False)
            if resampler in ("matlab", "opencv"):
                yield Variant(resampler, colour, border=False, luma_first=False)
    for resampler in ("matlab", "opencv", "nearest"):
        yield Variant(resampler, "studio-float", border=True, luma_first=False)
    for resampler in ("matlab", "nearest"):
        yield Variant(resampler, "studio", border=True, luma_first=True)
    if any(image.shape[2] == 1 for image in images):
        yield Variant("matlab", "grey-as-rgb", border=True, luma_first=False)


def measured(set_name: str, images: Sequence[np.ndarray], scale: int, variant: Variant) -> dict[str, Any]:
    """One line: means over uint8 `images` (H, W, 1 or 3), PSNR to 4 decimals, SSIM to 5.

    Daala's SSIM, a tool for luma, on studio-range luma only.
    """
    kinds = {name: kind for name, kind in SSIMS.items() if name != "daala" or variant.colour == "studio"}
    scores = [score(image, scale, variant, kinds) for image in images]
    return {
        "scale": scale,
        "set": set_name,
        "resampler": variant.resampler,
        "colour": variant.colour,
        "border": int(variant.border),
        "luma_first": int(variant.luma_first),
        "psnr": f"{fmean(one['psnr'] for one in scores):.4f}",
        **{kind: f"{fmean(one[kind] for one in scores):.5f}" for kind in kinds},
    }


def main() -> None:
    """Write the table, whole or not at all."""
    if "SRLAB_DATASETS" not in os.environ:
        sys.exit(f"error: set SRLAB_DATASETS to the folder that holds {', '.join(SETS)}")
    folders = {name: sorted(Path(os.environ["SRLAB_DATASETS"], name).glob("*.png")) for name in SETS}
    images = {name: [read_image(path) for path in paths] for name, paths in folders.items()}
    jobs = [(name, images[name], scale, one) for scale in SCALES for name in SETS for one in variants(images[name])]
    work = Parallel(n_jobs=-1, return_as="generator")(delayed(measured)(*job) for job in jobs)
    lines: list[Any] = list(track(work, "protocols", total=len(jobs)))  # pyright: ignore[reportArgumentType]: joblib
    with replacing(TARGET) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        file.write(HEADER)
        writer = csv.DictWriter(file, FIELDS, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)


if __name__ == "__main__":
    main()
