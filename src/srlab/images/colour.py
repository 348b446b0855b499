"""BT.601 colour in studio range, as MATLAB's `rgb2ycbcr` has it and as every published luma PSNR assumes.

kornia.color.rgb_to_ycbcr is not used: its luma is full range (0 to 255; ours is exactly 219/255 of it plus 16/255, and
PSNR on it reads 1.3 dB lower), and its chroma factors 0.564 and 0.713 are rounded to three digits, off by 6e-4 of ours.
"""

import numpy as np
import torch
from torch import Tensor

# ITU-R BT.601-7 sec. 2.5 with MATLAB's three decimals; R, G, B in [0, 1] to Y, Cb, Cr in 0..255
MATRIX = np.array([[65.481, 128.553, 24.966], [-37.797, -74.203, 112.0], [112.0, -93.786, -18.214]]) / 255
OFFSET = np.array([16.0, 128.0, 128.0]) / 255
INVERSE = np.linalg.inv(MATRIX)


def rgb_to_ycbcr(x: Tensor) -> Tensor:
    """(..., 3, H, W) Y, Cb, Cr of (..., 3, H, W) R, G, B in [0, 1]: Y in [16, 235] / 255, chroma in [16, 240] / 255.

    Equals MATLAB's rgb2ycbcr on doubles. ValueError where the channel axis is not 3 long.
    """
    red, green, blue = _planes(x)
    return torch.stack(
        [row[0] * red + row[1] * green + row[2] * blue + offset for row, offset in _rows(MATRIX, OFFSET)], dim=-3
    )


def ycbcr_to_rgb(x: Tensor) -> Tensor:
    """(..., 3, H, W) R, G, B of (..., 3, H, W) Y, Cb, Cr as `rgb_to_ycbcr` gives them; not clipped to [0, 1].

    The exact inverse of `rgb_to_ycbcr`. Y, Cb, Cr that no colour has leave [0, 1]. ValueError unless 3 channels.
    """
    planes = _planes(x)
    luma, blue, red = (plane - offset for plane, offset in zip(planes, OFFSET.tolist(), strict=True))
    return torch.stack([row[0] * luma + row[1] * blue + row[2] * red for row, _ in _rows(INVERSE, OFFSET)], dim=-3)


def luma(x: Tensor) -> Tensor:
    """(..., 1, H, W) luma in [16, 235] / 255 of (..., 3, H, W) RGB in [0, 1]; a 1-channel image is returned as it is.

    A grey image is its own luma in the literature (Set14 `bridge`), hence never squeezed to studio range.
    """
    if x.shape[-3] == 1:
        return x
    red, green, blue = _planes(x)
    (row, offset) = _rows(MATRIX, OFFSET)[0]
    return (row[0] * red + row[1] * green + row[2] * blue + offset).unsqueeze(-3)


def _planes(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    if x.ndim < 3 or x.shape[-3] != 3:
        raise ValueError(f"want (..., 3, H, W), got {tuple(x.shape)}")
    first, second, third = x.unbind(-3)
    return first, second, third


def _rows(matrix: np.ndarray, offset: np.ndarray) -> list[tuple[list[float], float]]:
    # Python floats and element-wise products: a matrix product would be rounded to bf16 or TF32 under autocast on a GPU
    return list(zip(matrix.tolist(), offset.tolist(), strict=True))
