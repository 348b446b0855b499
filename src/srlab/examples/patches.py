"""What the example-based methods see of an image, and how patches become an image again.

An LR image is enlarged by bicubic interpolation; from the result, the mid-resolution image, features are taken on
windows of 3x3 LR pixels, and what a method estimates of a window is its missing detail, HR - mid.
Source: Zeyde, Elad and Protter, "On single image scale-up using sparse-representations", 2010; the numbers are
those of the code of Timofte et al. (ANR 2013, A+ 2014), which took theirs over.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

WINDOW = 3  # side of a patch, LR pixels


def feature_maps(mid: Tensor, scale: int) -> Tensor:
    """(B, 4, H - 2*scale, W - 2*scale) gradients and Laplacians of (B, 1, H, W) mid-resolution luma, without its rim.

    Along each axis, taps one LR pixel (`scale` pixels) apart: x[n + s/2] - x[n - s/2], s/2 rounded up on the right and
    down on the left, and (x[n - s] - 2 x[n] + x[n + s]) / 2. The rim of `scale` pixels is what the Laplacian reaches.
    """
    height, width = mid.shape[-2] - 2 * scale, mid.shape[-1] - 2 * scale

    def shifted(down: int, right: int) -> Tensor:
        return mid[..., scale + down : scale + down + height, scale + right : scale + right + width]

    ahead = (scale + 1) // 2
    behind = ahead - scale
    here = shifted(0, 0)
    return torch.cat(
        [
            shifted(0, ahead) - shifted(0, behind),
            shifted(ahead, 0) - shifted(behind, 0),
            (shifted(0, scale) + shifted(0, -scale)) / 2 - here,
            (shifted(scale, 0) + shifted(-scale, 0)) / 2 - here,
        ],
        dim=1,
    )


def cut(maps: Tensor, scale: int, step: int = 1) -> Tensor:
    """(N, C * (3*scale)^2) patches of (1, C, H, W) maps, row by row, every `step` LR pixels; a view of columns."""
    return F.unfold(maps, WINDOW * scale, stride=step * scale)[0].T


def paste(patches: Tensor, height: int, width: int, scale: int) -> Tensor:
    """(1, 1, height, width) sum of (N, (3*scale)^2) patches at the places where `cut` finds them with step 1."""
    return F.fold(patches.T[None], (height, width), WINDOW * scale, stride=scale)


def num_patches(height: int, width: int, scale: int, step: int) -> int:
    """How many patches `cut` finds on the feature maps of an HR image of this size; 0 if it is too small for any."""
    rows, columns = ((side // scale - 2 - WINDOW) // step + 1 for side in (height, width))
    return max(rows, 0) * max(columns, 0)
