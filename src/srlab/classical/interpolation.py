"""Interpolation by MATLAB's imresize, the literature's baseline."""

from torch import Tensor

from srlab.errors import SrlabError
from srlab.images.resample import imresize

METHODS = ("nearest", "bilinear", "bicubic", "lanczos3")


class Interpolation:
    """An Upscaler: enlarges by MATLAB's imresize with `method`; SrlabError for an unknown one."""

    num_parameters = 0

    def __init__(self, method: str, label: str) -> None:
        if method not in METHODS:
            raise SrlabError(f"there is no interpolation '{method}': set `method` to one of {', '.join(METHODS)}")
        self.method = method
        self.label = label

    def upscale(self, lr: Tensor, scale: int) -> Tensor:
        """(B, C, h, w) in [0, 1] to (B, C, h*scale, w*scale) in [0, 1]."""
        return imresize(lr, scale=scale, method=self.method).clamp(0.0, 1.0)
