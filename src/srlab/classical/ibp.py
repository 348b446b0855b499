"""Iterative back-projection: Irani and Peleg, "Improving Resolution by Image Registration", CVGIP 1991.

What the guess lacks is seen in the LR frames: y - Ax, enlarged, moved back and added, x <- x + mean over frames of
M^-1 h(y - Ax). It converges where one round leaves less of every frequency than there was.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from srlab.classical.observation import Frame
from srlab.classical.reconstruction import Reconstruction, first_guess
from srlab.degradation.blur import convolve, gaussian_kernel
from srlab.degradation.imaging import Bicubic, Imaging
from srlab.errors import SrlabError
from srlab.images.resample import imresize


def bicubic(residual: Tensor, scale: int) -> Tensor:
    """(B, C, h, w) to (B, C, h*scale, w*scale)."""
    return imresize(residual, scale=scale)


def gaussian(residual: Tensor, scale: int) -> Tensor:
    """`bicubic`, then smoothed by 5x5 taps of a Gaussian of sigma 1 px (Yang et al. 2010, who square the taps).

    It leaves out what bicubic enlargement has above the LR image's highest frequency, which would ring.
    """
    kernel = gaussian_kernel(torch.ones(1), torch.zeros(1), torch.zeros(1))[:, 2:-2, 2:-2]
    return convolve(imresize(residual, scale=scale), kernel / kernel.sum())


BACKPROJECTIONS: dict[str, Callable[[Tensor, int], Tensor]] = {"bicubic": bicubic, "gaussian": gaussian}


class IBP(Reconstruction):
    """`iterations` rounds from the bicubic enlargement, with one of BACKPROJECTIONS; SrlabError for another word."""

    def __init__(self, degradation: Bicubic | Imaging, label: str, iterations: int, backprojection: str) -> None:
        super().__init__(degradation, label, iterations)
        if backprojection not in BACKPROJECTIONS:
            words = ", ".join(BACKPROJECTIONS)
            raise SrlabError(f"there is no back-projection '{backprojection}': set `backprojection` to one of {words}")
        self.backproject = BACKPROJECTIONS[backprojection]

    def reconstruct(self, frames: Sequence[Frame]) -> Tensor:
        """(B, C, H, W), not clamped; as `Reconstruction.reconstruct`."""
        return self.refined(first_guess(frames), frames)

    def refined(self, x: Tensor, frames: Sequence[Frame]) -> Tensor:
        """(B, C, H, W), not clamped: a guess `x` of that shape after `iterations` rounds."""
        for _ in range(self.iterations):
            x = x + torch.stack([self._correction(x, frame) for frame in frames]).mean(0)
        return x

    def _correction(self, x: Tensor, frame: Frame) -> Tensor:
        residual = frame.lr - frame.operator.forward(x)
        return frame.operator.align(self.backproject(residual, frame.operator.scale))
