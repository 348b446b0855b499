"""Projection onto convex sets: Stark and Oskoui, "High-resolution image recovery from image-plane arrays", JOSA A 1989.

The HR image lies in several convex sets, and projecting onto one after the other leads to their intersection. In a
round, in this order:

1. data, for each frame in turn: {x : |Ax - y| <= bound * sigma in every LR pixel}, sigma being that of the noise
   (Ozkan, Tekalp and Sezan 1994 has the bound). Seen from the LR frame this is a box, onto which projection is exact;
   the step x <- x + relaxation A'(P(Ax) - Ax) / |A|^2 carries it to the HR image for all pixels at once.
2. bandlimit: {x : no frequency above cutoff times the Nyquist frequency of the LR image}, in rows and in columns.
3. amplitude: {x : 0 <= x <= 1}.

With one frame 1 and 3 are Byrne's CQ algorithm (2002), which converges to a point of the intersection if there is one.
"""

import math
from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor

from srlab.classical.observation import Frame
from srlab.classical.reconstruction import Reconstruction, first_guess
from srlab.degradation.imaging import Bicubic, Imaging
from srlab.errors import SrlabError


class POCS(Reconstruction):
    """`iterations` rounds of the projections above from the bicubic enlargement.

    Arguments:
        bound: of the residual, in standard deviations of the noise.
        cutoff: highest frequency, the LR image's Nyquist frequency being 1; `scale` is no limit.
        relaxation: of the data step, 0 < relaxation < 2 (else SrlabError).
    """

    def __init__(
        self,
        degradation: Bicubic | Imaging,
        label: str,
        iterations: int,
        bound: float,
        cutoff: float,
        relaxation: float,
    ) -> None:
        super().__init__(degradation, label, iterations)
        if not 0 < relaxation < 2:
            raise SrlabError(f"relaxation {relaxation} of {label} does not converge: use 0 < relaxation < 2")
        self.bound, self.cutoff, self.relaxation = bound, cutoff, relaxation

    def reconstruct(self, frames: Sequence[Frame]) -> Tensor:
        """(B, C, H, W) in [0, 1]; as `Reconstruction.reconstruct`."""
        x = first_guess(frames)
        for _ in range(self.iterations):
            for frame in frames:
                x = self.project(x, frame)
            x = bandlimited(x, self.cutoff / frames[0].operator.scale).clamp(0.0, 1.0)
        return x

    def project(self, x: Tensor, frame: Frame) -> Tensor:
        """x (B, C, H, W) after the relaxed data step of a frame."""
        residual = frame.lr - frame.operator.forward(x)
        delta = self.bound * math.sqrt(frame.variance)
        excess = residual - residual.clamp(-delta, delta)
        return x + self.relaxation * frame.operator.adjoint(excess) / frame.operator.squared_norm(*frame.lr.shape[-2:])


def bandlimited(x: Tensor, cutoff: float) -> Tensor:
    """(B, C, H, W) projected onto the images without frequencies above `cutoff` in rows or columns; 1 is Nyquist's.

    Frequencies are those of the discrete cosine transform (DCT-II), whose borders are mirrored like the camera's.
    """
    rows, columns = (_lowpass(side, min(side, round(side * cutoff))).to(x) for side in x.shape[-2:])
    return rows @ x @ columns


@lru_cache(maxsize=64)
def _lowpass(n: int, count: int) -> Tensor:
    """float64 (n, n) projection onto the first `count` cosines of the DCT-II."""
    place, frequency = torch.arange(n, dtype=torch.float64) + 0.5, torch.arange(count, dtype=torch.float64)
    cosines = torch.cos(torch.pi / n * place[:, None] * frequency) * math.sqrt(2 / n)
    cosines[:, 0] /= math.sqrt(2)
    return cosines @ cosines.T
