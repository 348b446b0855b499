"""Pairs of features and missing details, cut from the training images of a packed store."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from srlab.degradation.pairs import PairStore
from srlab.degradation.reduction import reduce_bicubic
from srlab.errors import SrlabError
from srlab.examples.patches import cut, feature_maps, num_patches
from srlab.images.colour import luma
from srlab.images.resample import imresize, to_uint8
from srlab.progress import track


class Samples:
    """All patch pairs of the training images of `store`, each image once and not turned, cut every `step` LR pixels.

    `levels` images are made of each: the image itself with its LR of the store, and smaller ones, reduced by `shrink`,
    shrink^2 and so on (A+ and its code). A reduced image is 8-bit like the stored one, and its LR is made by
    the bicubic reduction. Hence SrlabError where there are several levels and the store was degraded otherwise: its LR
    and theirs would not come from one camera.
    """

    def __init__(self, store: PairStore, step: int, levels: int = 1, shrink: float = 1.0) -> None:
        if levels > 1 and not store.degradation.startswith("Bicubic"):
            raise SrlabError(
                f"{store.folder} was degraded by {store.degradation}, but the LR of reduced training images is made "
                "by bicubic reduction: set `levels` of the method to 1 in params.yaml"
            )
        self.store, self.step, self.scale = store, step, store.scale
        names = sorted({name for name, _ in store.train})
        self.entries = [(name, shrink**level) for level in range(levels) for name in names]
        self.counts = [num_patches(*self._size(*entry), self.scale, step) for entry in self.entries]

    def __len__(self) -> int:
        return sum(self.counts)

    def gather(self, projection: Tensor, limit: int, seed: int) -> tuple[Tensor, Tensor]:
        """Projected features (N, d) and details (N, (3*scale)^2), float32, of at most `limit` pairs drawn by `seed`."""
        total = len(self)
        generator = torch.Generator().manual_seed(seed)
        chosen = torch.randperm(total, generator=generator)[:limit].sort().values if total > limit else None
        size = min(total, limit)
        features = torch.empty(size, projection.shape[1])
        details = torch.empty(size, (3 * self.scale) ** 2)
        first = done = 0
        for raw, detail in self.pairs("cutting patches"):
            rows = slice(None)
            if chosen is not None:
                begin, end = torch.searchsorted(chosen, torch.tensor([first, first + len(raw)])).tolist()
                rows = chosen[begin:end] - first
            part = (raw @ projection)[rows]  # rows of the projected features, which lie together in memory
            features[done : done + len(part)] = part
            details[done : done + len(part)] = detail[rows]
            first, done = first + len(raw), done + len(part)
        return features, details

    def pairs(self, description: str) -> Iterator[tuple[Tensor, Tensor]]:
        """Per image: features (n, 4 * (3*scale)^2) and details (n, (3*scale)^2) of its patches, float32."""
        scale = self.scale
        for (name, factor), count in zip(track(self.entries, description), self.counts, strict=True):
            if count:
                lr, hr = self.images(name, factor)
                mid = imresize(lr, scale=scale)
                detail = (hr - mid)[..., scale:-scale, scale:-scale]
                yield cut(feature_maps(mid, scale), scale, self.step), cut(detail, scale, self.step)

    def images(self, name: str, factor: float) -> tuple[Tensor, Tensor]:
        """LR (1, 1, h, w) and HR (1, 1, h*scale, w*scale) luma, float32, of an image reduced by `factor` (1: not)."""
        lr, hr = self.store.lr(name), self.store.hr(name)
        if factor != 1:
            height, width = self._size(name, factor)
            hr = to_uint8(imresize(hr / 255.0, scale=factor))[:height, :width]
            lr = reduce_bicubic(hr, self.scale)
        planes = (torch.tensor(pixels).permute(2, 0, 1)[None].float() / 255 for pixels in (lr, hr))
        small, large = (luma(plane) for plane in planes)
        return small, large

    def _size(self, name: str, factor: float) -> tuple[int, int]:
        """Height and width of HR, multiples of scale."""
        # 1e-9 as in srlab.images.resample: rounding must not make a side one pixel longer
        sides = (math.ceil(side * factor - 1e-9) for side in self.store.hr(name).shape[:2])
        height, width = (side // self.scale * self.scale for side in sides)
        return height, width


def principal_axes(samples: Samples, energy: float) -> Tensor:
    """(4 * (3*scale)^2, d) orthonormal float32 axes that keep at least the share `energy` of the features' energy.

    Principal components of the features as they are, without taking off their mean (they are differences already), as
    in the code of Zeyde et al.
    """
    total: Tensor | None = None
    for raw, _ in samples.pairs("measuring features"):
        square = (raw.T @ raw).double()
        total = square if total is None else total + square
    if total is None:
        raise SrlabError(f"{samples.store.folder} has no training image of a patch's size: add larger ones")
    values, axes = torch.linalg.eigh(total)  # ascending
    dropped = values.clamp(min=0).cumsum(0) / values.clamp(min=0).sum()
    first = int(torch.searchsorted(dropped, torch.tensor(1 - energy, dtype=torch.float64)))
    return axes[:, first:].float().contiguous()
