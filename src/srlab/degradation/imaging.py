"""How a low-resolution image comes about: L = DBMH + n (motion, blur, reduction, noise), or D alone.

A degradation is drawn for an image by name and then applied: `hr, lr = degradation.draw(name)(hr)`. What is drawn is a
pure function of seed, name and the ranges, and is kept beside the pixels.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from srlab.degradation.blur import convolve, gaussian_blur, motion_blur, read_kernel
from srlab.degradation.motion import move
from srlab.degradation.noise import gaussian, jpeg, poisson
from srlab.degradation.reduction import REDUCTIONS, described, reduce_bicubic
from srlab.errors import SrlabError
from srlab.images.resample import METHODS, imresize, to_uint8

MOVE_OR_BLUR = {"shift_right", "shift_down", "rotation", "sigma", "length", "kernel"}  # parameters of M and B


class Bicubic:
    """MATLAB's bicubic reduction by a whole factor, the degradation of every classical x2, x3, x4 benchmark.

    `method` is one of `srlab.degradation.reduction.REDUCTIONS`: `bicubic` is that of the literature's LR images.
    """

    def __init__(self, scale: int, method: str = "bicubic") -> None:
        if method not in REDUCTIONS:
            raise SrlabError(
                f"degrade.method {method!r} is not a bicubic reduction: with degrade.kind bicubic use one of "
                f"{', '.join(REDUCTIONS)} in params.yaml, or degrade.kind classical or full"
            )
        self.scale, self.method = _whole(scale), method

    def __str__(self) -> str:
        return described(self.scale, self.method)

    def draw(self, name: str) -> "DrawnImaging":
        """D alone, whatever the name."""
        return self.nominal()

    def nominal(self) -> "DrawnImaging":
        """What a method may assume of any image: D alone."""
        return DrawnImaging(self.scale, self.method, {})

    def __call__(self, hr: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """As `DrawnImaging`, for any image."""
        return self.nominal()(hr)


class Imaging:
    """L = DBMH + n with strengths drawn per image, evenly from min..max; {min: 0, max: 0} switches a term off.

    Arguments:
        scale: reduction by D.
        seed: with the image's name it decides what is drawn; each parameter is drawn independently of the others.
        method: D, one of `srlab.images.resample.METHODS`.
        shift, rotation: M, HR px (in any direction) and degrees anticlockwise (min may be negative).
        sigma, anisotropy: B, Gaussian: px, and by what share narrower across a random direction (0: round; below 1).
        length: B, motion: px along a random direction.
        kernel: B, file of a measured kernel (.npy or .txt) applied to every image, or None.
        peak: n, Poisson: photons that white sends per pixel, the fewer the noisier.
        noise: n, Gaussian: standard deviation in 8-bit levels.
        quality: n, JPEG: Pillow's 1..100.

    SrlabError on a value that makes no sense, naming its key below `degrade` in params.yaml.
    """

    def __init__(
        self,
        scale: int,
        seed: int,
        method: str,
        shift: Mapping[str, float],
        rotation: Mapping[str, float],
        sigma: Mapping[str, float],
        anisotropy: Mapping[str, float],
        length: Mapping[str, float],
        kernel: str | None,
        peak: Mapping[str, float],
        noise: Mapping[str, float],
        quality: Mapping[str, float],
    ) -> None:
        if method not in METHODS:
            raise SrlabError(f"degrade.method {method!r} is unknown: use one of {', '.join(METHODS)} in params.yaml")
        self.scale, self.seed, self.method = _whole(scale), seed, method
        self.shift = _range("shift", shift)
        self.rotation = _range("rotation", rotation, lowest=-180, highest=180)
        self.sigma = _range("sigma", sigma)
        self.anisotropy = _range("anisotropy", anisotropy, highest=0.99)
        self.length = _range("length", length)
        self.peak = _range("peak", peak, always=True)
        self.noise = _range("noise", noise)
        self.quality = _range("quality", quality, highest=100, always=True)
        self.kernel = None if kernel is None else read_kernel(kernel)

    def __str__(self) -> str:
        names = ("shift", "rotation", "sigma", "anisotropy", "length", "peak", "noise", "quality")
        ranges = [(name, *getattr(self, name)) for name in names]
        on = [f"{name}={low:g}..{high:g}" for name, low, high in ranges if (low, high) != (0, 0)]
        on += ["kernel"] if self.kernel is not None else []
        return f"Imaging({', '.join([f'scale={self.scale}', f'method={self.method}', *on])})"

    def draw(self, name: str) -> "DrawnImaging":
        """What happens to image `name`: only terms that are on have parameters, so that all off has none."""

        def uniform(key: str, low: float, high: float) -> float:
            return low + (high - low) * fraction(self.seed, name, key)

        found: dict[str, float | str] = {}
        for key in ("rotation", "sigma", "length", "peak", "noise"):
            if value := uniform(key, *getattr(self, key)):
                found[key] = value
        if length := uniform("shift", *self.shift):
            direction = uniform("shift_direction", 0, 2 * np.pi)
            found |= {"shift_right": length * float(np.cos(direction)), "shift_down": length * float(np.sin(direction))}
        if "sigma" in found and (anisotropy := uniform("anisotropy", *self.anisotropy)):
            found |= {"anisotropy": anisotropy, "sigma_angle": uniform("sigma_angle", 0, 180)}
        if "length" in found:
            found["length_angle"] = uniform("length_angle", 0, 180)
        if quality := round(uniform("quality", *self.quality)):
            found["quality"] = quality
        if self.kernel is not None:
            found["kernel"] = _digest(self.kernel)
        if "peak" in found or "noise" in found:
            found["noise_seed"] = int(fraction(self.seed, name, "noise_seed") * 2**53)
        return DrawnImaging(self.scale, self.method, found, self.kernel)

    def nominal(self) -> "DrawnImaging":
        """What a method may assume of an image whose draw it does not know.

        Round blur and noise in the middle of their ranges, and the kernel file, which is the same for every image.
        Nothing that has a random direction (shift, rotation, motion blur, which way a blur is narrower): those are zero
        on average. No JPEG, which is not linear.
        """
        middles = {key: sum(getattr(self, key)) / 2 for key in ("sigma", "peak", "noise")}
        found: dict[str, float | str] = {key: middle for key, middle in middles.items() if middle}
        if self.kernel is not None:
            found["kernel"] = _digest(self.kernel)
        return DrawnImaging(self.scale, self.method, found, self.kernel)


@dataclass(frozen=True)
class DrawnImaging:
    """L = DBMH + n with everything fixed; pixels as the same draw makes them alone or in a batch (`degrade`)."""

    scale: int
    method: str
    parameters: Mapping[str, float | str]
    kernel: Tensor | None = None  # of the file that parameters["kernel"] is the digest of

    @property
    def variance(self) -> float:
        """Of n per pixel and channel, white being 1: rounding to 8 bit, Gaussian noise, Poisson noise of a mid-grey.

        What JPEG does is not counted: it depends on the picture.
        """
        rounding, noise = 1 / 12, float(self.parameters.get("noise", 0)) ** 2
        peak = float(self.parameters.get("peak", 0))
        return (rounding + noise) / 255**2 + (0.5 / peak if peak else 0.0)

    def __call__(self, hr: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """uint8 (H', W', C) HR cut to multiples of scale at the bottom right, and uint8 (H'/scale, W'/scale, C) LR.

        With no term on, LR is D on 8-bit pixels: of REDUCTIONS exactly MATLAB's, of pil_... exactly Pillow's. Otherwise
        it is rounded once, at the end. SrlabError if HR is smaller than scale.
        """
        cropped = _crop(hr, self.scale)
        if self.parameters:
            x = torch.from_numpy(cropped / 255.0).permute(2, 0, 1)[None]
            return cropped, to_uint8(degrade(x, [self])[0].permute(1, 2, 0).contiguous().numpy())
        if self.method in REDUCTIONS:
            return cropped, reduce_bicubic(cropped, self.scale, self.method)
        if self.method.startswith("pil_"):
            return cropped, _pillow(cropped, self.scale, Image.Resampling[self.method.removeprefix("pil_").upper()])
        return cropped, to_uint8(imresize(cropped / 255.0, scale=1 / self.scale, method=self.method))


def degrade(x: Tensor, draws: Sequence[DrawnImaging]) -> Tensor:
    """L of a batch H: float64 (B, C, H, W) in [0, 1] -> (B, C, H/scale, W/scale), not rounded, one draw per image.

    Sides are multiples of scale; scale, method and kernel are those of the first draw. M and B, which need no more,
    are computed in float32; D and n in float64.
    """
    x = degrade_noiseless(x, draws, scene_dtype=torch.float32)
    seeds = [int(draw.parameters.get("noise_seed", 0)) for draw in draws]
    peak, noise, quality = (_column(draws, key, x) for key in ("peak", "noise", "quality"))
    return jpeg(gaussian(poisson(x, peak, seeds), noise, seeds), quality)


def degrade_noiseless(x: Tensor, draws: Sequence[DrawnImaging], scene_dtype: torch.dtype) -> Tensor:
    """DBM of a batch, L without its noise: (B, C, H, W) float, any range -> (B, C, H/scale, W/scale) of that dtype.

    Linear in x, and autograd goes through it: what makes the LR images is what reconstruction inverts. M and B are
    computed in `scene_dtype`, D in the dtype of x; otherwise as `degrade`.
    """
    scale, method, kernel = draws[0].scale, draws[0].method, draws[0].kernel
    if any(draw.parameters.keys() & MOVE_OR_BLUR for draw in draws):
        rotation, sigma, anisotropy, sigma_angle, length, length_angle = (
            _column(draws, key, x)
            for key in ("rotation", "sigma", "anisotropy", "sigma_angle", "length", "length_angle")
        )
        shift = torch.stack([_column(draws, key, x) for key in ("shift_right", "shift_down")], dim=1)
        scene = move(x.to(scene_dtype), shift, rotation)
        scene = gaussian_blur(scene, sigma, anisotropy, sigma_angle)
        scene = motion_blur(scene, length, length_angle)
        x = (scene if kernel is None else convolve(scene, kernel[None])).to(x.dtype)
    return imresize(x, scale=1 / scale, method=method)


def _column(draws: Sequence[DrawnImaging], key: str, like: Tensor) -> Tensor:
    """float64 (B,) of one parameter on the device of `like`, 0 where a draw does not have it."""
    return torch.tensor([float(draw.parameters.get(key, 0)) for draw in draws], dtype=torch.float64).to(like.device)


def _digest(kernel: Tensor) -> str:
    return hashlib.sha256(kernel.numpy().tobytes()).hexdigest()[:16]


def _pillow(hr: np.ndarray, scale: int, kernel: Image.Resampling) -> np.ndarray:
    """Pillow's 8-bit resize, which rounds after each of its two passes."""
    size = (hr.shape[1] // scale, hr.shape[0] // scale)
    planes = [np.asarray(Image.fromarray(hr[..., c]).resize(size, kernel)) for c in range(hr.shape[2])]
    return np.stack(planes, axis=-1)


def _crop(hr: np.ndarray, scale: int) -> np.ndarray:
    height, width = (side // scale * scale for side in hr.shape[:2])
    if not height or not width:
        raise SrlabError(f"an image of {hr.shape[1]}x{hr.shape[0]} px cannot be reduced by {scale}: remove it")
    return np.ascontiguousarray(hr[:height, :width])


def _whole(scale: Any) -> int:
    if scale < 1 or scale != int(scale):
        raise SrlabError(f"scale {scale} is not a whole number of at least 1: change scale in params.yaml")
    return int(scale)


def _range(
    key: str, given: Mapping[str, float], lowest: float = 0, highest: float = float("inf"), *, always: bool = False
) -> tuple[float, float]:
    """(min, max) of a strength; `always`: it cannot fade out to 0, and is on for all images (from 1) or for none."""
    if set(given) != {"min", "max"}:
        raise SrlabError(f"degrade.{key} has the keys {', '.join(given)}: give it min and max in params.yaml")
    low, high = given["min"], given["max"]
    if not lowest <= low <= high <= highest:
        raise SrlabError(
            f"degrade.{key} is {low}..{high}: use {lowest:g} <= min <= max <= {highest:g} in params.yaml (0 and 0: off)"
        )
    if always and high and low < 1:
        raise SrlabError(f"degrade.{key} is {low}..{high}: use a min of at least 1 in params.yaml, or 0 and 0 for off")
    return float(low), float(high)


def fraction(seed: int, name: str, key: str) -> float:
    """A number in [0, 1) that looks random but is a function of its arguments alone, with every version of numpy."""
    digest = hashlib.sha256(f"{seed}/{name}/{key}".encode()).digest()
    return (int.from_bytes(digest[:8], "big") >> 11) / 2**53
