"""What a metric is, and what all of them need."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from srlab.errors import SrlabError

# An operation on fewer elements than this stays on one core (ATen's grain size). Waiting for the other cores after each
# of 100 short operations costs a busy machine ten times what they save, so an image is cut into strips that are small
# enough, and whole strips are shared out. (One core, BSD100: 16 to 19 million pixels a second; kornia: 4 to 5.)
GRAIN = 32_768


@dataclass(frozen=True)
class Metric:
    """A column of every table: `measure` takes SR and HR (B, C, H, W), float in [0, 1], and the border to ignore, in

    pixels on each side, and gives (B,), one value per image: means are taken over values, never over pixels of a batch.
    `planes` says what is compared: the luma of the protocol (C = 1) or RGB (C = 3).
    """

    name: str
    label: str
    unit: str
    decimals: int
    higher_is_better: bool
    planes: Literal["luma", "rgb"]
    measure: Callable[[Tensor, Tensor, int], Tensor]

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
