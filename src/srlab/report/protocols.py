"""What bicubic and nearest score on the standard sets under each protocol variant: protocols.csv."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from srlab.report.literature import rows_of

RESAMPLERS = {  # what makes LR and enlarges it again: label, and the name that tables print for the method
    "matlab": ("MATLAB bicubic both ways", "bicubic"),
    "opencv": ("OpenCV INTER_CUBIC both ways (no antialias, a = -0.75)", "bicubic"),
    "no-antialias": ("MATLAB bicubic both ways, Antialiasing false", "bicubic"),
    "area-opencv": ("OpenCV INTER_AREA down, INTER_CUBIC up", "bicubic"),
    "matlab-opencv": ("MATLAB bicubic down, OpenCV INTER_CUBIC up", "bicubic"),
    "nearest": ("MATLAB bicubic down, nearest up", "nearest"),
}
COLOURS = {
    "studio": "studio-range luma",
    "studio-float": "studio-range luma not rounded to 8 bit, grey images turned into RGB first",
    "full": "full-range luma",
    "rgb": "RGB",
    "grey-as-rgb": "studio-range luma, grey images turned into RGB first",
}
NAMED = {"studio": "classic", "studio-float": "modern"}  # colours of the protocols that have a name
SSIM_LABELS = {
    "gauss": "SSIM with an 11x11 Gaussian window, valid region",
    "scikit": "SSIM with scikit-image's defaults",
    "daala": "SSIM in the manner of daala",
}


@dataclass(frozen=True)
class Variant:
    """One way to reduce, enlarge and score; `resampler` is a key of RESAMPLERS, `colour` one of COLOURS.

    `border`: whether `scale` pixels on each side are ignored. `luma_first`: resample the 8-bit luma, as MATLAB scripts
    do, and not the 8-bit RGB image.
    """

    resampler: str
    colour: str
    border: bool
    luma_first: bool

    @property
    def protocol(self) -> str:
        """`classic` (8-bit luma, grey as it is) or `modern` (float luma, grey as RGB), as it scores; "" for others."""
        return NAMED.get(self.colour, "") if self.border else ""

    def __str__(self) -> str:
        border = "border of `scale` px ignored" if self.border else "no border ignored"
        first = ", luma taken before resizing" if self.luma_first else ""
        name = f" (`{self.protocol}`)" if self.protocol else ""
        return f"{RESAMPLERS[self.resampler][0]}; {COLOURS[self.colour]}{first}; {border}{name}"


@dataclass(frozen=True)
class Reading:
    """Mean PSNR in dB and SSIMs by kind (keys of SSIM_LABELS) of one set at one scale under one variant."""

    scale: int
    set: str
    variant: Variant
    psnr: float
    ssim: Mapping[str, float]

    @property
    def method(self) -> str:
        """bicubic or nearest."""
        return RESAMPLERS[self.variant.resampler][1]


@lru_cache
def readings() -> tuple[Reading, ...]:
    """All lines of protocols.csv (benchmarks/make_protocols.py measures them from the data sets)."""
    return tuple(map(_parsed, rows_of("protocols.csv")))


def _parsed(row: Mapping[str, str]) -> Reading:
    variant = Variant(row["resampler"], row["colour"], row["border"] == "1", row["luma_first"] == "1")
    ssims = {kind: float(row[kind]) for kind in SSIM_LABELS if row[kind]}
    return Reading(int(row["scale"]), row["set"], variant, float(row["psnr"]), ssims)
