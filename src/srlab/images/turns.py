"""The eight turned and flipped versions of an image, and of a batch of patches.

Bicubic reduction commutes with all eight (a test says so bit for bit), so a turned LR patch and the HR patch turned
alike are the pair that a turned file would have given.
"""

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

# (quarter turns counter-clockwise, then flip top to bottom); operation 2 * turns + flip, so 0 changes nothing.
# An, Dai and An 2022: images "rotated by 0, 90, 180 and 270 degrees, respectively, and then flipped vertically".
OPERATIONS: tuple[tuple[int, bool], ...] = tuple((turns, flip) for turns in range(4) for flip in (False, True))


def transform(image: np.ndarray, operation: int) -> np.ndarray:
    """(H, W, C) or, after an odd number of quarter turns, (W, H, C): `image` under OPERATIONS[operation], any dtype."""
    turns, flip = OPERATIONS[operation]
    turned = np.rot90(image, turns)
    return np.ascontiguousarray(turned[::-1] if flip else turned)


def transform_batch(x: Tensor, operations: Tensor) -> Tensor:
    """(B, C, p, p), sample i under OPERATIONS[operations[i]]: bit for bit `transform`, any dtype, no loop over samples.

    Cheapest on uint8, before the conversion to float. ValueError unless the patches are square.
    """
    if x.ndim != 4 or x.shape[-1] != x.shape[-2]:
        raise ValueError(f"want square patches (B, C, p, p), got {tuple(x.shape)}")
    # One gather: 2 to 5 times as fast on a CPU as composing a transpose and two flips of the whole batch (torch's or
    # kornia's, which are the same) by torch.where.
    origins = _origins(x.shape[-1], x.device)[operations]
    return x.flatten(2).gather(2, origins[:, None].expand(-1, x.shape[1], -1)).view(x.shape)


@lru_cache(maxsize=8)
def _origins(side: int, device: torch.device) -> Tensor:
    """int64 (8, side^2): for each operation and each pixel of its result, which pixel of the input it shows."""
    pixels = np.arange(side * side).reshape(side, side, 1)
    table = np.stack([transform(pixels, operation).ravel() for operation in range(len(OPERATIONS))])
    return torch.from_numpy(table).to(device)
