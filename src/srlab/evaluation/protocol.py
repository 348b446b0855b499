"""The protocols that scores are taken under: what of an output is compared, on which pixels.

Published numbers differ by up to 1.7 dB through unstated choices alone (full-range luma: -1.3 dB; RGB: -1.7 dB). Two
sets of choices reproduce the literature, each its era's (`conf/base/protocol/`). Bicubic x4 on the uncropped HR images:

    |                                | Set5           | Set14          | BSD100         |
    | published until about 2018     | 28.42 / 0.8104 | 26.00 / 0.7027 | 25.96 / 0.6675 |
    | classic: 8-bit luma, grey kept | 28.42 / 0.8102 | 25.99 / 0.7024 | 25.96 / 0.6673 |
    | modern: float luma, grey RGB   | 28.43 / 0.8111 | 26.09 / 0.7048 | 25.96 / 0.6681 |

Tables since then quote the bicubic row of the first line beside networks measured the modern way, so most of their
gains over bicubic on Set14 are 0.09 dB too large: its grey image `bridge` is easier as RGB, on studio-range luma.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from srlab.errors import SrlabError
from srlab.images.colour import MATRIX

# Y in 255000ths of a grey level: the share of each channel, and the offset with the half that rounds.
UNIT = np.int32(255_000)
WEIGHTS = [np.int32(round(weight * 255_000)) for weight in MATRIX[0]]
OFFSET, HALF = np.int32(16 * 255_000), np.int32(127_500)


@dataclass(frozen=True)
class Protocol:
    """How a uint8 output is compared with its original; one file of `conf/base/protocol/` each.

    `rounded_luma`: luma is rounded to 8 bit. `grey_as_rgb`: a grey image counts as R = G = B, so that its luma is
    studio range; otherwise it is its own luma, in full range.
    """

    name: str
    rounded_luma: bool
    grey_as_rgb: bool

    def __str__(self) -> str:
        rounding = "rounded to 8 bit" if self.rounded_luma else "not rounded"
        grey = "a grey image counts as RGB" if self.grey_as_rgb else "a grey image is its luma"
        return (
            f"{self.name}: 8-bit output; PSNR and SSIM on BT.601 studio-range luma, {rounding} ({grey}); "
            "border of `scale` pixels ignored; SSIM with an 11x11 Gaussian window, sigma 1.5, valid region; "
            "mean over images"
        )

    def planes(self, image: np.ndarray, kind: str) -> Tensor:
        """What a metric compares of a uint8 image (H, W, 1 or 3), in [0, 1]: "luma" (1, 1, H, W) or "rgb" (1, 3, H, W).

        Float64. SrlabError on any other array.
        """
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] not in {1, 3}:
            raise SrlabError(f"a score needs a uint8 image (H, W, 1 or 3), got {image.dtype} {image.shape}")
        if kind == "rgb":
            pixels = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)) / 255.0)[None]
            return pixels.expand(-1, 3, -1, -1)
        return torch.from_numpy(self.luma(image))[None, None]

    def luma(self, image: np.ndarray) -> np.ndarray:
        """Luma (H, W) float64 in [0, 1] of a uint8 image (H, W, 1 or 3).

        MATLAB's `rgb2ycbcr`: Y = 16 + (65.481 R + 128.553 G + 24.966 B) / 255; `rounded_luma`: halves up, as on uint8.
        """
        if image.shape[2] == 1 and not self.grey_as_rgb:
            return image[..., 0] / 255.0
        # Whole numbers, in which halves are exact; 5 times as fast as `srlab.images.colour.luma` and rounding.
        red, green, blue = (image[..., channel % image.shape[2]] for channel in range(3))
        shares = red * WEIGHTS[0] + (OFFSET + HALF if self.rounded_luma else OFFSET)
        shares += green * WEIGHTS[1]
        shares += blue * WEIGHTS[2]
        return shares // UNIT / 255.0 if self.rounded_luma else shares / (UNIT * 255.0)


def border(scale: int) -> int:
    """Pixels ignored on each side of an image upscaled by `scale`, as in the tables from A+ (2014) onwards."""
    return scale
