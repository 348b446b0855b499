"""Maximum a posteriori with a Huber-Markov prior: Schultz and Stevenson, "Extraction of High-Resolution Frames", 1996.

argmin over x of sum over frames of |Ax - y|^2 / (2 sigma^2) + weight * sum over cliques c of rho(d_c x), with Gaussian
noise of variance sigma^2. d_c are second differences along rows, columns and both diagonals, those halved, and
rho(u) = u^2 up to |u| = threshold and 2 threshold |u| - threshold^2 beyond: edges cost less than a square.
With an infinite threshold the prior is Gaussian and the solution that of a linear system.

Solved by Nesterov's accelerated gradient descent (1983), momentum dropped where it points uphill (O'Donoghue and Candes
2015, gradient scheme), where they use gradient projection.
"""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from srlab.classical.likelihood import Likelihood
from srlab.classical.observation import Frame
from srlab.classical.reconstruction import Reconstruction, first_guess, last
from srlab.degradation.imaging import Bicubic, Imaging

CLIQUES = {(0, 1): 1.0, (1, 0): 1.0, (1, -1): 0.5, (1, 1): 0.5}  # (down, right) to a neighbour: weight
# A bound of sum |d_c x|^2 / |x|^2: each clique's weights are w, -2w and w.
CLIQUES_NORM = sum((4 * weight) ** 2 for weight in CLIQUES.values())


class HuberProblem:
    """The objective above for given frames, times Likelihood's `unit`; one value per image of the batch."""

    def __init__(self, frames: Sequence[Frame], weight: float, threshold: float, floor: float) -> None:
        self.data = Likelihood(frames, floor)
        self.weight, self.threshold = weight * self.data.unit, threshold
        self.lipschitz = self.data.lipschitz + 2 * self.weight * CLIQUES_NORM

    def objective(self, x: Tensor) -> Tensor:
        """(B,) value for x (B, C, H, W)."""
        bent = cliques(x).abs()
        inside = bent.clamp(max=self.threshold)
        prior = inside * (2 * bent - inside)  # both branches of rho
        return self.data.value(self.data.residuals(x)) + self.weight * prior.sum((0, 2, 3, 4))

    def gradient(self, x: Tensor) -> Tensor:
        """(B, C, H, W) gradient of the objective at x."""
        prior = cliques_adjoint(2 * cliques(x).clamp(-self.threshold, self.threshold))
        return self.data.gradient(self.data.residuals(x)) + self.weight * prior

    def solve(self, x: Tensor, iterations: int) -> Iterator[Tensor]:
        """The iterates from a first guess x; every image of the batch has a momentum of its own."""
        ahead, age = x, x.new_ones(len(x), 1, 1, 1)
        for _ in range(iterations):
            previous, slope = x, self.gradient(ahead)
            x = ahead - slope / self.lipschitz
            uphill = (slope * (x - previous)).sum((1, 2, 3), keepdim=True) > 0
            age = torch.where(uphill, 1.0, age)
            older = (1 + (1 + 4 * age**2).sqrt()) / 2
            ahead = x + (age - 1) / older * (x - previous)
            age = older
            yield x


class MapHuber(Reconstruction):
    """`iterations` of the solver from the bicubic enlargement.

    `weight` of the prior is per squared unit of grey, white being 1; `threshold` is in the same units, and `floor` of
    the noise in 8-bit levels (`Likelihood`).
    """

    def __init__(
        self,
        degradation: Bicubic | Imaging,
        label: str,
        iterations: int,
        weight: float,
        threshold: float,
        floor: float,
    ) -> None:
        super().__init__(degradation, label, iterations)
        self.weight, self.threshold, self.floor = weight, threshold, floor

    def reconstruct(self, frames: Sequence[Frame]) -> Tensor:
        """(B, C, H, W), not clamped; as `Reconstruction.reconstruct`."""
        problem = HuberProblem(frames, self.weight, self.threshold, self.floor)
        return last(problem.solve(first_guess(frames), self.iterations))


def cliques(x: Tensor) -> Tensor:
    """(4, ..., H - 2, W - 2) second differences of (..., H, W) at the pixels that have eight neighbours."""
    middle = 2 * _inner(x, 0, 0)
    return torch.stack(
        [weight * (_inner(x, *to) + _inner(x, -to[0], -to[1]) - middle) for to, weight in CLIQUES.items()]
    )


def cliques_adjoint(bent: Tensor) -> Tensor:
    """(..., H, W) of (4, ..., H - 2, W - 2): the adjoint of `cliques`."""
    height, width = (side + 2 for side in bent.shape[-2:])
    x = bent.new_zeros(*bent.shape[1:-2], height, width)
    for (to, weight), one in zip(CLIQUES.items(), bent, strict=True):
        _inner(x, *to).add_(one, alpha=weight)
        _inner(x, -to[0], -to[1]).add_(one, alpha=weight)
        _inner(x, 0, 0).sub_(one, alpha=2 * weight)
    return x


def _inner(x: Tensor, down: int, right: int) -> Tensor:
    """View (..., H - 2, W - 2) of the pixels that lie `down`, `right` of those with eight neighbours."""
    height, width = x.shape[-2:]
    return x[..., 1 + down : height - 1 + down, 1 + right : width - 1 + right]
