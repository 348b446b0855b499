"""What all example-based methods do around their estimate: luma, patches, overlap."""

from pathlib import Path

import torch
from torch import Tensor, nn

from srlab.examples.dictionary import load_dictionary
from srlab.examples.patches import WINDOW, cut, feature_maps, paste
from srlab.images.resample import extend, imresize
from srlab.models.base.network import Network

# Patches at once, or a row of them: bounds the memory whatever the size of the image. NE+NNLS, the slowest method, is
# fastest with this many (measured; the others do not mind).
CHUNK = 2048


class PatchUpscaler(Network):
    """A luma network that adds estimated details to the bicubic enlargement, patch by patch; an Upscaler.

    Every pixel is the mean of the nine patches of 3x3 LR pixels that cover it; the mid-resolution image is continued
    by mirroring, so that this holds at the border, too. `tensors` of the file `dictionary` (read on construction,
    SrlabError if it cannot be) become parameters that no optimiser trains; "projection" (4 * (3*scale)^2, d), which
    reduces features to d numbers, is always among them.
    """

    projection: nn.Parameter

    def __init__(self, label: str, scale: int, dictionary: str, tensors: set[str]) -> None:
        super().__init__(scale, channels=1)
        self.label = label
        for name, tensor in load_dictionary(Path(dictionary), scale, {"projection", *tensors}).items():
            self.register_parameter(name, nn.Parameter(tensor, requires_grad=False))

    def estimate(self, features: Tensor) -> Tensor:
        """Details (N, (3*scale)^2) of patches with projected features (N, d)."""
        raise NotImplementedError(f"{type(self).__name__}.estimate")

    def forward(self, lr: Tensor) -> Tensor:
        """(B, 1, h, w) in [0, 1] to (B, 1, h*scale, w*scale), about [0, 1] and not clamped."""
        mid = imresize(lr, scale=self.scale)
        return mid + torch.cat([self._details(image[None]) for image in mid])

    def _details(self, mid: Tensor) -> Tensor:
        """Mean of the estimates of all patches that touch (1, 1, H, W), in strips of patch rows."""
        scale, margin = self.scale, (WINDOW - 1) * self.scale  # by which the outermost patches reach over the border
        wide = extend(extend(mid, margin + scale, -2), margin + scale, -1)
        maps = feature_maps(wide, scale)
        height, width = maps.shape[-2:]
        num_rows, num_columns = height // scale - WINDOW + 1, width // scale - WINDOW + 1
        total = torch.zeros_like(maps[:, :1])
        rows_at_once = max(CHUNK // num_columns, 1)
        for first in range(0, num_rows, rows_at_once):
            rows = min(rows_at_once, num_rows - first)
            strip = slice(first * scale, (first + rows + WINDOW - 1) * scale)
            features = cut(maps[..., strip, :], scale) @ self.projection
            part = total[..., strip, :]
            part += paste(self.estimate(features), part.shape[-2], width, scale)
        return total[..., margin:-margin, margin:-margin] / WINDOW**2
