"""Maximum a posteriori with total variation (Rudin, Osher, Fatemi 1992), as Marquina and Osher 2008 super-resolve.

argmin over 0 <= x <= 1 of sum over frames of |Ax - y|^2 / (2 sigma^2) + weight * TV(x), with Gaussian noise of variance
sigma^2 and the isotropic TV(x) = sum over pixels of |grad x|. Solved by the primal-dual algorithm with an explicit step
on the data term (Condat 2013; Vu 2013; Chambolle and Pock 2016, algorithm 1).
"""

from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from srlab.classical.likelihood import Likelihood
from srlab.classical.observation import Frame
from srlab.classical.reconstruction import Reconstruction, first_guess, last
from srlab.degradation.imaging import Bicubic, Imaging

GRADIENT_NORM = 8.0  # bound of |grad x|^2 / |x|^2 (Chambolle 2004, sec. 3)
DUAL_SHARE = 0.2  # dual step over L / GRADIENT_NORM; any converges, 0.1 to 0.3 fastest on photos with one and 4 frames


class TVProblem:
    """The objective above for given frames, times Likelihood's `unit`; one value per image of the batch."""

    def __init__(self, frames: Sequence[Frame], weight: float, floor: float) -> None:
        self.data = Likelihood(frames, floor)
        self.weight = weight * self.data.unit

    def objective(self, x: Tensor) -> Tensor:
        """(B,) value for x (B, C, H, W) in [0, 1]."""
        return self.data.value(self.data.residuals(x)) + self.weight * length(gradient(x)).sum((1, 2, 3))

    def solve(self, x: Tensor, iterations: int) -> Iterator[tuple[Tensor, Tensor]]:
        """The iterates x from a first guess, each with its dual variable p (2, B, C, H, W)."""
        dual_step = DUAL_SHARE * self.data.lipschitz / GRADIENT_NORM
        step = 1 / (self.data.lipschitz / 2 + dual_step * GRADIENT_NORM)
        x, p = x.clamp(0.0, 1.0), gradient(torch.zeros_like(x))
        for _ in range(iterations):
            previous = x
            slope = self.data.gradient(self.data.residuals(x)) - divergence(p)
            x = (x - step * slope).clamp(0.0, 1.0)
            p = p + dual_step * gradient(2 * x - previous)
            p /= (length(p) / self.weight).clamp_(min=1.0)
            yield x, p


class MapTV(Reconstruction):
    """`iterations` of the solver from the bicubic enlargement.

    `weight` of the prior is per unit of grey, white being 1; `floor` of the noise is in 8-bit levels (`Likelihood`).
    """

    def __init__(
        self, degradation: Bicubic | Imaging, label: str, iterations: int, weight: float, floor: float
    ) -> None:
        super().__init__(degradation, label, iterations)
        self.weight, self.floor = weight, floor

    def reconstruct(self, frames: Sequence[Frame]) -> Tensor:
        """(B, C, H, W) in [0, 1]; as `Reconstruction.reconstruct`."""
        iterates = TVProblem(frames, self.weight, self.floor).solve(first_guess(frames), self.iterations)
        return last(iterates)[0]


def gradient(x: Tensor) -> Tensor:
    """(2, ..., H, W) differences to the pixel below and to the right, 0 at the last row and column."""
    return torch.stack([torch.diff(x, dim=axis, append=x.narrow(axis, -1, 1)) for axis in (-2, -1)])


def length(p: Tensor) -> Tensor:
    """(..., H, W) lengths of the vectors in (2, ..., H, W)."""
    return torch.hypot(p[0], p[1])  # 70 times as fast as norm(dim=0)


def divergence(p: Tensor) -> Tensor:
    """(..., H, W) of (2, ..., H, W): minus the adjoint of `gradient`."""
    down, right = p[0][..., :-1, :], p[1][..., :-1]
    rows = F.pad(down, (0, 0, 0, 1)) - F.pad(down, (0, 0, 1, 0))
    return rows + F.pad(right, (0, 1)) - F.pad(right, (1, 0))
