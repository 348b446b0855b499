"""How a low-resolution image comes about."""

import numpy as np

from srlab.data.resample import imresize, to_uint8
from srlab.errors import SrlabError


class Bicubic:
    """MATLAB's bicubic reduction by a whole factor, the degradation of every classical x2, x3, x4 benchmark."""

    def __init__(self, scale: int) -> None:
        if scale < 1 or scale != int(scale):
            raise SrlabError(f"scale {scale} is not a whole number of at least 1: change scale in params.yaml")
        self.scale = int(scale)

    def __call__(self, hr: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """uint8 (H', W', C) HR cut to multiples of scale at the bottom right, and uint8 (H'/scale, W'/scale, C) LR.

        Computed in float64 and rounded once, hence the same under all turns and flips. SrlabError if smaller than
        scale.
        """
        height, width = (side // self.scale * self.scale for side in hr.shape[:2])
        if not height or not width:
            raise SrlabError(f"an image of {hr.shape[1]}x{hr.shape[0]} px cannot be reduced by {self.scale}: remove it")
        cropped = np.ascontiguousarray(hr[:height, :width])
        return cropped, to_uint8(imresize(cropped / 255.0, scale=1 / self.scale))
