"""What the camera does, as reconstruction needs it: y = Ax, its adjoint x = A'y, and how large A is.

A is DBM of `srlab.degradation.imaging.degrade_noiseless`, the very code that makes the LR images.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from srlab.degradation.imaging import DrawnImaging, degrade_noiseless
from srlab.degradation.motion import move

POWER_STEPS = 30  # of `squared_norm`
MARGIN = 1.05  # for what they leave to the largest; in the tests a third of it
SEPARABLE = {"shift_right", "shift_down", "sigma"}  # terms that act on rows and columns one after the other
NOISE = {"noise", "peak", "quality", "noise_seed"}  # parameters that are not part of A
CHUNK = 256  # unit vectors that `Separable` sends through the camera at once, for the memory's sake


class Observation:
    """The linear operator A = DBM of one draw, for images of any size whose sides are multiples of `scale`."""

    def __init__(self, draw: DrawnImaging) -> None:
        self.draw = draw
        self.scale = draw.scale
        self._norms: dict[tuple[int, int], float] = {}
        self._kept: tuple[tuple[object, ...], Callable[[Tensor], Tensor]] | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Ax: (B, C, H, W) float, any range, to (B, C, H/scale, W/scale); all in the dtype of x."""
        return degrade_noiseless(x, [self.draw] * len(x), scene_dtype=x.dtype)

    def adjoint(self, y: Tensor) -> Tensor:
        """A'y: (B, C, h, w) float to (B, C, h*scale, w*scale), where <Ax, y> = <x, A'y> for all x and y.

        It is the vector-Jacobian product of `forward`, hence the adjoint of whatever is in there, borders included.
        """
        key = (*y.shape, y.dtype, y.device)
        if self._kept is None or self._kept[0] != key:  # the graph costs a forward pass, and is the same every time
            self._kept = key, self._pullback(y)
        return self._kept[1](y)

    def align(self, x: Tensor) -> Tensor:
        """(B, C, H, W) as the camera saw it, moved back to where the scene is: the inverse of M, not its adjoint."""
        keys = ("shift_right", "shift_down", "rotation")
        right, down, angle = (float(self.draw.parameters.get(key, 0)) for key in keys)
        still, straight = x.new_zeros(len(x), 2), x.new_zeros(len(x))
        unshifted = move(x, x.new_tensor([[-right, -down]]).expand(len(x), 2), straight)  # M turns first, then shifts
        return move(unshifted, still, straight - angle)

    def squared_norm(self, height: int, width: int) -> float:
        """A bound of |Ax|^2 / |x|^2 for LR images of that size, by power iteration on A'A; at most MARGIN too large.

        It depends on the size: a turned frame sees mirrored what lies beyond its corners, the more the larger it is.
        """
        if (height, width) not in self._norms:
            sides = (height * self.scale, width * self.scale)
            x = torch.rand(1, 1, *sides, generator=torch.Generator().manual_seed(0))
            for _ in range(POWER_STEPS):
                x = self.adjoint(self.forward(x / x.norm()))
            self._norms[height, width] = MARGIN * float(x.norm())
        return self._norms[height, width]

    def _pullback(self, y: Tensor) -> Callable[[Tensor], Tensor]:
        height, width = (side * self.scale for side in y.shape[-2:])
        with torch.enable_grad():
            x = y.new_zeros(*y.shape[:2], height, width).requires_grad_()
            image = self.forward(x)
        return lambda y: torch.autograd.grad(image, x, y, retain_graph=True)[0]


class Separable(Observation):
    """The same for a draw without terms that mix rows and columns: Ax is R x C', with R and C measured on A itself.

    On a BSD100 image with blur and shift A and A' together take 3 ms so instead of 37 ms (one core).
    """

    def __init__(self, draw: DrawnImaging) -> None:
        super().__init__(draw)
        self._moves_or_blurs = bool(draw.parameters.keys() & SEPARABLE)
        self._matrices: dict[tuple[object, ...], Tensor] = {}

    def forward(self, x: Tensor) -> Tensor:
        """As `Observation.forward`."""
        if not self._moves_or_blurs:
            return super().forward(x)  # D alone is interpolation, which is faster than a matrix; its adjoint is not
        return self._axis(-2, x.shape[-2], x) @ x @ self._axis(-1, x.shape[-1], x).T

    def adjoint(self, y: Tensor) -> Tensor:
        """As `Observation.adjoint`."""
        height, width = (side * self.scale for side in y.shape[-2:])
        return self._axis(-2, height, y).T @ y @ self._axis(-1, width, y)

    def squared_norm(self, height: int, width: int) -> float:
        """As `Observation.squared_norm`, without a margin: the norm of R x C' is that of R times that of C."""
        if (height, width) not in self._norms:
            sizes = ((-2, height * self.scale), (-1, width * self.scale))
            matrices = [self._axis(axis, n, torch.zeros(0, dtype=torch.float64)) for axis, n in sizes]
            self._norms[height, width] = math.prod(float(torch.linalg.matrix_norm(one, 2)) ** 2 for one in matrices)
        return self._norms[height, width]

    def _axis(self, axis: int, n: int, like: Tensor) -> Tensor:
        """(n / scale, n) matrix of one axis: what becomes of each unit vector, laid along it and constant across."""
        key = (axis, n, like.dtype, like.device)
        if key not in self._matrices:
            with torch.no_grad():
                units = torch.eye(n, dtype=torch.float64).split(CHUNK)
                images = [vectors[:, None, :, None].expand(-1, 1, n, self.scale) for vectors in units]
                turned = [image if axis == -2 else image.mT for image in images]
                columns = [super(Separable, self).forward(image.contiguous()) for image in turned]
            self._matrices[key] = torch.cat(columns)[:, 0].sum(-3 - axis).T.contiguous().to(like)
        return self._matrices[key]


def observation(draw: DrawnImaging) -> Observation:
    """The operator of a draw in its fastest form."""
    terms = draw.parameters.keys() - NOISE
    return Separable(draw) if terms <= SEPARABLE else Observation(draw)


@dataclass(frozen=True)
class Frame:
    """One LR image `lr` (B, C, h, w) in [0, 1], how it came about, and the variance of its noise (white being 1)."""

    lr: Tensor
    operator: Observation
    variance: float
