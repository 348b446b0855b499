"""M of L = DBMH + n: the scene moved against the sensor by a fraction of a pixel and a small angle."""

import torch
from kornia.geometry.transform import get_rotation_matrix2d, warp_affine
from torch import Tensor


def move(x: Tensor, shift: Tensor, angle: Tensor) -> Tensor:
    """(B, C, H, W) float, any range, each image moved by `shift` (B, 2) px and turned by `angle` (B,) degrees.

    Shift is (right, down); angles turn anticlockwise about the image's centre. What comes in from outside is the
    mirror image, the edge pixel not repeated. Images of shift (0, 0) and angle 0 are not touched. Values between pixels
    are those of torch's bicubic grid_sample (a = -0.75) in the precision of x; overshoot is kept.
    """
    moved = shift.ne(0).any(dim=1) | angle.ne(0)
    if not moved.any():
        return x
    height, width = x.shape[-2:]
    centre = torch.tensor([(width - 1) / 2, (height - 1) / 2]).to(x).expand(int(moved.sum()), 2)
    matrix = get_rotation_matrix2d(centre, angle[moved].to(x), torch.ones_like(centre))
    matrix[:, :, 2] += shift[moved].to(x)
    result = x.clone()
    result[moved] = warp_affine(x[moved], matrix, (height, width), mode="bicubic", padding_mode="reflection")
    return result
