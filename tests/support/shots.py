"""LR frames of one scene for tests of reconstruction."""

from collections.abc import Sequence

import torch
from torch import Tensor

from srlab.classical.observation import Frame, observation
from srlab.degradation.imaging import DrawnImaging


def rand(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.rand(*shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def shots(scene: Tensor, scale: int, noise: float, variances: Sequence[float]) -> list[Frame]:
    """A frame for each variance it is said to have: blurred, half an LR pixel apart, with even noise up to `noise`."""
    half = scale / 2
    frames = []
    places = [(0.0, 0.0), (half, 0.0), (0.0, half), (half, half)]
    for seed, ((right, down), variance) in enumerate(zip(places, variances, strict=False)):
        draw = DrawnImaging(scale, "bicubic", {"shift_right": right, "shift_down": down, "sigma": 0.8})
        clean = observation(draw).forward(scene)
        frames.append(Frame(clean + noise * (2 * rand(*clean.shape, seed=seed) - 1), observation(draw), variance))
    return frames
