"""Interpolation by MATLAB's imresize, the literature's baseline."""

from torch import Tensor

from srlab.errors import SrlabError
from srlab.images.resample import imresize

LABELS = {"nearest": "Nearest", "bilinear": "Bilinear", "bicubic": "Bicubic", "lanczos3": "Lanczos"}


class Interpolation:
    """An Upscaler: enlarges by MATLAB's imresize with `method`, its label by default. SrlabError for another."""

    num_parameters = 0

    def __init__(self, method: str, label: str | None = None) -> None:
        if method not in LABELS:
            raise SrlabError(
                f"there is no interpolation '{method}': set `kernel` to one of {', '.join(LABELS)} in params.yaml"
            )
        self.method = method
        self.label = label or LABELS[method]

    def upscale(self, lr: Tensor, scale: int) -> Tensor:
        """(B, C, h, w) in [0, 1] to (B, C, h*scale, w*scale) in [0, 1]."""
        return imresize(lr, scale=scale, method=self.method).clamp(0.0, 1.0)
