"""L = DBMH + n for tests: what is not named is off."""

from srlab.degradation.imaging import Imaging

STRENGTHS = ("shift", "rotation", "sigma", "anisotropy", "length", "peak", "noise", "quality")
EVERYTHING = {
    "shift": (0.1, 1.0),
    "rotation": (-2, 2),
    "sigma": (0.3, 2.0),
    "anisotropy": (0.1, 0.6),
    "length": (1, 4),
    "peak": (50, 500),
    "noise": (1, 10),
    "quality": (40, 95),
}


def imaging(scale: int = 2, seed: int = 0, method: str = "bicubic", kernel: str | None = None, **on) -> Imaging:
    """`on`: (min, max) of strengths."""
    ranges = {key: {"min": low, "max": high} for key, (low, high) in (dict.fromkeys(STRENGTHS, (0, 0)) | on).items()}
    return Imaging(scale, seed, method, kernel=kernel, **ranges)
