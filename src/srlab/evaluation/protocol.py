"""The one protocol every score of this project is taken under.

Published numbers differ by up to 1.7 dB through unstated choices alone (full-range luma: -1.3 dB; RGB: -1.7 dB).
The choices here are those that reproduce the literature's bicubic x4 baselines, measured on the uncropped HR images:

    |                            | Set5           | Set14          | BSD100         |
    | published                  | 28.42 / 0.8104 | 26.00 / 0.7027 | 25.96 / 0.6675 |
    | luma rounded to 8 bit      | 28.42 / 0.8102 | 25.99 / 0.7024 | 25.96 / 0.6674 |   <- this protocol
    | luma not rounded           | 28.43 / 0.8113 | 26.00 / 0.7031 | 25.96 / 0.6682 |
    | rounded, grey `bridge` RGB |                | 26.09 / 0.7042 |                |
"""

import numpy as np
import torch
from torch import Tensor

from srlab.data.colour import MATRIX
from srlab.errors import SrlabError

PROTOCOL = (
    "8-bit output; PSNR and SSIM on BT.601 studio-range luma rounded to 8 bit (a grey image is its luma); "
    "border of `scale` pixels ignored; SSIM with an 11x11 Gaussian window, sigma 1.5, valid region; mean over images"
)

# Y in 255000ths of a grey level: the share of each channel, and the offset with the half that rounds.
UNIT = np.int32(255_000)
WEIGHTS = [np.int32(round(weight * 255_000)) for weight in MATRIX[0]]
CONSTANT = np.int32(16 * 255_000 + 127_500)


def border(scale: int) -> int:
    """Pixels ignored on each side of an image upscaled by `scale`, as in the tables from A+ (2014) onwards."""
    return scale


def to_luma(image: np.ndarray) -> Tensor:
    """Luma (1, 1, H, W) float64 in [0, 1], a multiple of 1/255, of a uint8 image (H, W, 3) RGB or (H, W, 1) grey.

    MATLAB's `rgb2ycbcr` on uint8: Y = 16 + (65.481 R + 128.553 G + 24.966 B) / 255, rounded half up to 8 bit. A grey
    image passes unchanged, in full range, as the literature treats Set14 `bridge`. SrlabError on any other array.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] not in {1, 3}:
        raise SrlabError(f"luma needs a uint8 image (H, W, 1 or 3), got {image.dtype} {image.shape}")
    if image.shape[2] == 1:
        levels = image[..., 0]
    else:
        # Whole numbers, in which halves are exact; 5 times as fast as `srlab.data.colour.luma` and rounding.
        shares = image[..., 0] * WEIGHTS[0] + CONSTANT
        shares += image[..., 1] * WEIGHTS[1]
        shares += image[..., 2] * WEIGHTS[2]
        levels = shares // UNIT
    return torch.from_numpy(levels / 255.0)[None, None]
