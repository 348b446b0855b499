"""How well an HR image explains the LR frames: the data term of the maximum a posteriori methods."""

from collections.abc import Sequence

import torch
from torch import Tensor

from srlab.classical.observation import Frame


class Likelihood:
    """Sum over frames of |Ax - y|^2 / (2 sigma^2), times the sigma^2 of the first: its size is that of |Ax - y|^2.

    sigma^2 is the variance of a frame's noise, taken as Gaussian, plus floor^2. Without a floor the weight of a prior
    would have to fall as the noise rises: no prior here knows what texture is, and where noise is next to nothing that
    error is what the prior has to be weighed against.

    Arguments: frames; `floor` in 8-bit levels. Attributes: `unit` (the first sigma^2, by which priors are multiplied,
    too) and `lipschitz` (a bound of the Lipschitz constant of the gradient).
    """

    def __init__(self, frames: Sequence[Frame], floor: float) -> None:
        variances = [frame.variance + (floor / 255) ** 2 for frame in frames]
        self.unit = variances[0]
        self.frames = [
            (self.unit / variance, frame.operator, frame.lr) for variance, frame in zip(variances, frames, strict=True)
        ]
        self.lipschitz = sum(trust * operator.squared_norm(*lr.shape[-2:]) for trust, operator, lr in self.frames)

    def residuals(self, x: Tensor) -> list[Tensor]:
        """Ax - y of every frame, (B, C, h, w) each, for x (B, C, H, W)."""
        return [operator.forward(x) - lr for _, operator, lr in self.frames]

    def value(self, residuals: Sequence[Tensor]) -> Tensor:
        """(B,) value at the x that has these residuals."""
        halves = [trust * r.square().sum((1, 2, 3)) / 2 for (trust, *_), r in zip(self.frames, residuals, strict=True)]
        return torch.stack(halves).sum(0)

    def gradient(self, residuals: Sequence[Tensor]) -> Tensor:
        """(B, C, H, W) gradient at the x that has these residuals: the sum of A'(Ax - y) / sigma^2 * unit."""
        pulled = [trust * operator.adjoint(r) for (trust, operator, _), r in zip(self.frames, residuals, strict=True)]
        return torch.stack(pulled).sum(0)
