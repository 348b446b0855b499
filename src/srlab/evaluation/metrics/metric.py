"""What a metric is, and what all of them need."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from srlab.errors import SrlabError
from srlab.files import from_environment

# An operation on fewer elements than this stays on one core (ATen's grain size). Waiting for the other cores after each
# of 100 short operations costs a busy machine ten times what they save, so an image is cut into strips that are small
# enough, and whole strips are shared out. (One core, BSD100: 16 to 19 million pixels a second; kornia: 4 to 5.)
GRAIN = 32_768


@dataclass(frozen=True)
class Parameters:
    """A file of numbers that a metric needs and this repository must not hold.

    It is the file that the environment `variable` names, else `path` in the folder that SRLAB_DATASETS names.
    """

    variable: str
    path: str

    def file(self) -> Path | None:
        """Where it is, None where it is not; SrlabError if `variable` names no file."""
        named, mirror = from_environment(self.variable), from_environment("SRLAB_DATASETS")
        if named and not named.is_file():
            raise SrlabError(f"{self.variable} names {named}, which is no file: correct it or leave it unset")
        file = named or (mirror and mirror / self.path)
        return file if file and file.is_file() else None

    def read(self, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Tensor]:
        """Its arrays of these names and shapes, .npz or torch's own format; SrlabError if it is not of that kind."""
        file = self.file()
        if file is None:
            raise SrlabError(f"there is no {self}")
        return _read(file, tuple(shapes.items()))

    def __str__(self) -> str:
        return f"{Path(self.path).name} (docs/metrics.md), as {self.variable} or as {self.path} in SRLAB_DATASETS"


@lru_cache
def _read(file: Path, shapes: tuple[tuple[str, tuple[int, ...]], ...]) -> dict[str, Tensor]:
    try:
        if file.suffix == ".npz":
            with np.load(file) as archive:
                found = {name: torch.from_numpy(archive[name]) for name, _ in shapes}
        else:
            found = torch.load(file, "cpu", weights_only=True)
        if wrong := [name for name, shape in shapes if tuple(found[name].shape) != shape]:
            raise ValueError(f"{wrong[0]} is {tuple(found[wrong[0]].shape)}, not {dict(shapes)[wrong[0]]}")
    except Exception as error:  # numpy and torch have no common class for what a damaged file raises
        raise SrlabError(f"{file} is not what docs/metrics.md names ({error!r:.150}): get it again") from error
    return {name: found[name] for name, _ in shapes}


@dataclass(frozen=True)
class Metric:
    """A value of every image: `measure` takes two images (B, C, H, W), float in [0, 1], and the border to ignore, in

    pixels on each side, and gives (B,), one value per image: means are taken over values, never over pixels of a batch.
    `planes` says what is compared: the luma of the protocol (C = 1) or RGB (C = 3) of SR and HR, or "lr": RGB of the SR
    image, reduced, and of the LR image. A measure that needs no reference leaves the second image alone.

    Metrics of `table` "fidelity" stand in the first table and are measured while a network is trained; those of
    "perception" have a table of their own and are measured at the end. The latter may need `parameters`, and a shorter
    side of at least `smallest` px inside the border: a set where either is missing is without the metric.
    `higher_is_better` is None where neither is, so that no value is the best.
    """

    name: str
    label: str
    unit: str
    decimals: int
    higher_is_better: bool | None
    planes: Literal["luma", "rgb", "lr"]
    measure: Callable[[Tensor, Tensor, int], Tensor]
    table: Literal["fidelity", "perception"] = "fidelity"
    parameters: Parameters | None = None
    smallest: int = 1

    @property
    def heading(self) -> str:
        """As in "PSNR (dB)"."""
        return f"{self.label} ({self.unit})" if self.unit else self.label

    def text(self, value: float) -> str:
        """The digits of a value in a table, without the unit."""
        return f"{value:.{self.decimals}f}"


def strip_rows(images: Tensor, least: int) -> int:
    """Rows of a strip of `images` (..., H, W) of fewer than GRAIN elements, but at least `least` rows; on a GPU all."""
    return max((GRAIN - 1) // images.shape[-1], least) if images.device.type == "cpu" else images.shape[-2]


def inner(sr: Tensor, hr: Tensor, border: int, minimum: int) -> tuple[Tensor, Tensor]:
    """Both images (B, C, H - 2 * border, W - 2 * border) in float64.

    SrlabError if their shapes differ, or a side is below `minimum` + 2 * border.
    """
    if sr.shape != hr.shape:
        raise SrlabError(f"cannot compare images of different shapes: {tuple(sr.shape)} and {tuple(hr.shape)}")
    if sr.ndim != 4:
        raise SrlabError(f"metrics take images of shape (B, C, H, W), got {tuple(sr.shape)}: add the missing axes")
    height, width = sr.shape[2:]
    if min(height, width) < minimum + 2 * border:
        raise SrlabError(
            f"an image of {width}x{height} px is too small to score: with a border of {border} px "
            f"the smallest usable side is {minimum + 2 * border}, so leave the image out of the set"
        )
    inside = (..., slice(border, height - border), slice(border, width - border))
    return sr[inside].double(), hr[inside].double()
