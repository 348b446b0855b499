"""What the reconstruction methods have in common: frames in, one HR image out, colour by its luma.

They look for the HR image from which the degradation would have made the given LR images. How an image was degraded is
known for the frames of `fuse`; `upscale` gets pixels alone and assumes the middle of what the degradation may do.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from typing import TypeVar

import torch
from torch import Tensor

from srlab.classical.observation import Frame, observation
from srlab.degradation.imaging import Bicubic, Imaging
from srlab.errors import SrlabError
from srlab.images.colour import MATRIX, luma, rgb_to_ycbcr, ycbcr_to_rgb
from srlab.images.resample import imresize

LUMA_VARIANCE = float((MATRIX[0] ** 2).sum())  # of luma, where the noise of R, G and B is independent and of variance 1

Iterate = TypeVar("Iterate")


class Reconstruction:
    """An Upscaler that inverts `degradation`, whose nominal draw is what it assumes where it is told nothing else.

    `iterations` is how many rounds it makes; SrlabError if none.
    """

    num_parameters = 0

    def __init__(self, degradation: Bicubic | Imaging, label: str, iterations: int) -> None:
        if iterations < 1:
            raise SrlabError(f"{label} is given {iterations} iterations: let it have at least 1 in params.yaml")
        self.nominal = observation(degradation.nominal())
        self.label, self.iterations = label, iterations

    def reconstruct(self, frames: Sequence[Frame]) -> Tensor:
        """(B, C, H, W), about [0, 1] and not clamped, of frames of one scene and scale."""
        raise NotImplementedError(f"{type(self).__name__}.reconstruct")

    def upscale(self, lr: Tensor, scale: int) -> Tensor:
        """(B, C, h, w) in [0, 1] to (B, C, h*scale, w*scale) in [0, 1]; SrlabError for another scale."""
        if scale != self.nominal.scale:
            raise SrlabError(
                f"{self.label} inverts a degradation by {self.nominal.scale}, asked for x{scale}: set scale"
            )
        return self.fuse([Frame(lr, self.nominal, self.nominal.draw.variance)])

    @torch.no_grad()
    def fuse(self, frames: Sequence[Frame]) -> Tensor:
        """(B, C, H, W) in [0, 1], one image per scene, of frames (B, C, h, w) of the same scenes; C is 1 or 3.

        Colour is reconstructed in its luma, as in the literature: detail is seen there, scores are taken there, and it
        costs a third. Chroma is the first frame's, enlarged bicubically. SrlabError for frames that do not go together.
        """
        first = frames[0]
        if len({(frame.lr.shape, frame.operator.scale) for frame in frames}) > 1:
            shapes = ", ".join(f"{tuple(frame.lr.shape)} x{frame.operator.scale}" for frame in frames)
            raise SrlabError(f"frames of one scene differ in shape or scale ({shapes}): give frames of one camera")
        if first.lr.ndim != 4 or first.lr.shape[1] not in (1, 3):
            raise SrlabError(f"images must be (B, 1, h, w) or (B, 3, h, w), got {tuple(first.lr.shape)}: convert them")
        if first.lr.shape[1] == 1:
            return self.reconstruct(frames).clamp(0.0, 1.0)
        grey = [Frame(luma(frame.lr), frame.operator, LUMA_VARIANCE * frame.variance) for frame in frames]
        chroma = imresize(rgb_to_ycbcr(first.lr)[:, 1:], scale=first.operator.scale)
        return ycbcr_to_rgb(torch.cat([self.reconstruct(grey), chroma], dim=1)).clamp(0.0, 1.0)


def first_guess(frames: Sequence[Frame]) -> Tensor:
    """(B, C, H, W): the mean of the frames enlarged bicubically and laid over one another (Irani and Peleg 1991)."""
    laid = [frame.operator.align(imresize(frame.lr, scale=frame.operator.scale)) for frame in frames]
    return torch.stack(laid).mean(0)


def last(iterates: Iterator[Iterate]) -> Iterate:
    """The last of at least one."""
    return deque(iterates, maxlen=1).pop()
