"""What bicubic and nearest score on the standard sets under each protocol variant: protocols.csv and its making."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from statistics import fmean
from typing import Any

import numpy as np

from srlab.evaluation.variants import COLOURS, RESAMPLERS, SSIMS, Variant, score

SCALES = (4, 3, 2)
FILE = "protocols.csv"
FIELDS = ("scale", "set", "resampler", "colour", "border", "luma_first", "psnr", *SSIMS)


@dataclass(frozen=True)
class Reading:
    """Mean PSNR in dB and SSIMs by kind (keys of SSIMS) of one set at one scale under one variant."""

    scale: int
    set: str
    variant: Variant
    psnr: float
    ssim: Mapping[str, float]

    @property
    def method(self) -> str:
        """bicubic or nearest."""
        return RESAMPLERS[self.variant.resampler].method


def variants(images: Sequence[np.ndarray]) -> Iterator[Variant]:
    """Every variant worth measuring on uint8 `images` (H, W, C): grey turned into RGB only where an image is grey.

    Not Pillow's, which lies within 0.003 dB and 0.0002 of MATLAB's.
    """
    for resampler in (name for name in RESAMPLERS if name != "pillow"):
        for colour in ("studio", "full", "rgb"):
            yield Variant(resampler, colour, border=True, luma_first=False)
            if resampler in ("matlab", "opencv"):
                yield Variant(resampler, colour, border=False, luma_first=False)
    for resampler in ("matlab", "opencv", "nearest"):
        yield Variant(resampler, "studio-float", border=True, luma_first=False)
    for resampler in ("matlab", "nearest"):
        yield Variant(resampler, "studio", border=True, luma_first=True)
    if any(image.shape[2] == 1 for image in images):
        yield Variant("matlab", "grey-as-rgb", border=True, luma_first=False)


def measure(set_name: str, images: Sequence[np.ndarray], scale: int, variant: Variant) -> Reading:
    """Means over uint8 `images` (H, W, 1 or 3) of one set; daala's SSIM, a tool for luma, on studio-range luma only."""
    kinds = {name: kind for name, kind in SSIMS.items() if name != "daala" or variant.colour == "studio"}
    scores = [score(image, scale, variant, kinds) for image in images]
    means = {key: fmean(one[key] for one in scores) for key in ("psnr", *kinds)}
    return Reading(scale, set_name, variant, means.pop("psnr"), means)


def as_row(reading: Reading) -> dict[str, Any]:
    """One line of protocols.csv: PSNR to 4 decimals, SSIM to 5."""
    variant = reading.variant
    ssims = {kind: f"{reading.ssim[kind]:.5f}" if kind in reading.ssim else "" for kind in SSIMS}
    return {
        "scale": reading.scale,
        "set": reading.set,
        "resampler": variant.resampler,
        "colour": variant.colour,
        "border": int(variant.border),
        "luma_first": int(variant.luma_first),
        "psnr": f"{reading.psnr:.4f}",
        **ssims,
    }


@lru_cache
def readings() -> tuple[Reading, ...]:
    """All lines of protocols.csv (benchmarks/make_protocols.py measures them from the data sets)."""
    text = files("srlab.report").joinpath(FILE).read_text(encoding="utf-8")
    return tuple(_parsed(row) for row in csv.DictReader(line for line in text.splitlines() if line[0] != "#"))


def _parsed(row: Mapping[str, str]) -> Reading:
    assert row["colour"] in COLOURS
    variant = Variant(row["resampler"], row["colour"], row["border"] == "1", row["luma_first"] == "1")
    ssims = {kind: float(row[kind]) for kind in SSIMS if row[kind]}
    return Reading(int(row["scale"]), row["set"], variant, float(row["psnr"]), ssims)
