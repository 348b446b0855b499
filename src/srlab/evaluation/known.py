"""What is known of nearest and bicubic on standard sets, and on two images that every installation has."""

import csv
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

import numpy as np

from srlab.images.files import read_image

ZONE_PLATE, PHOTO = "zone plate", "astronaut"
SIDE = 96  # px of the own images: a multiple of 2, 3, 4 and 8


@dataclass(frozen=True)
class Known:
    """A figure: PSNR in dB and SSIM of `method` at `scale`; `by` says whether it was published or computed."""

    scale: int
    set: str
    protocol: str
    method: str
    psnr: float
    ssim: float
    by: str
    source: str


def own_images(scale: int) -> dict[str, np.ndarray]:
    """{name: uint8 (H, W, 3)} of a zone plate, whose fine rings show any fault of resampling, and of a photo's crop."""
    rows, columns = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    phase = np.pi * (rows**2 + columns**2) / (2 * SIDE)  # a quarter of the sampling rate at the middle of an edge
    rings = [np.cos(phase + shift) for shift in (0.0, 2.0, 4.0)]  # each channel by itself: luma is not a channel
    plate = np.floor(127.5 + 100.0 * np.stack(rings, axis=2) + 0.5).astype(np.uint8)
    astronaut = read_image(Path(str(files("skimage"))) / "data/astronaut.png")  # without scikit-image's own imports
    whole = {ZONE_PLATE: plate, PHOTO: astronaut[60 : 60 + SIDE, 180 : 180 + SIDE]}
    side = SIDE // scale * scale
    return {name: np.ascontiguousarray(image[:side, :side]) for name, image in whole.items()}


def known_scales() -> list[int]:
    """The scales that own images have figures at."""
    return sorted({line.scale for line in _scores().values() if line.set == ZONE_PLATE})


def known(scale: int, set_name: str, protocol: str, method: str) -> Known | None:
    """The line of known_scores.csv, if there is one."""
    return _scores().get((scale, set_name, protocol, method))


@lru_cache
def catalogue() -> dict[str, dict[str, tuple[tuple[int, int] | None, int | None]]]:
    """{set: {image: ((height, width), channels)}} of the standard sets as first published; None where not known."""
    sets: dict[str, dict[str, tuple[tuple[int, int] | None, int | None]]] = {}
    for row in _table("standard_sets.csv"):
        size = (int(row["height"]), int(row["width"])) if row["width"] else None
        sets.setdefault(row["set"], {})[row["image"]] = (size, int(row["channels"]) if row["channels"] else None)
    return sets


@lru_cache
def _scores() -> dict[tuple[int, str, str, str], Known]:
    lines = [
        Known(**{**row, "scale": int(row["scale"]), "psnr": float(row["psnr"]), "ssim": float(row["ssim"])})  # pyright: ignore[reportArgumentType]: all strings but three
        for row in _table("known_scores.csv")
    ]
    return {(line.scale, line.set, line.protocol, line.method): line for line in lines}


def _table(name: str) -> list[dict[str, str]]:
    text = files("srlab.evaluation").joinpath(name).read_text(encoding="utf-8")
    return list(csv.DictReader(line for line in text.splitlines() if not line.startswith("#")))
