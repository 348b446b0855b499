"""What bicubic and nearest score on the standard sets under each protocol variant: protocols.csv."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from srlab.evaluation.variants import RESAMPLERS, SSIMS, Variant
from srlab.report.literature import rows_of


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


@lru_cache
def readings() -> tuple[Reading, ...]:
    """All lines of protocols.csv (benchmarks/make_protocols.py measures them from the data sets)."""
    return tuple(map(_parsed, rows_of("protocols.csv")))


def _parsed(row: Mapping[str, str]) -> Reading:
    variant = Variant(row["resampler"], row["colour"], row["border"] == "1", row["luma_first"] == "1")
    ssims = {kind: float(row[kind]) for kind in SSIMS if row[kind]}
    return Reading(int(row["scale"]), row["set"], variant, float(row["psnr"]), ssims)
