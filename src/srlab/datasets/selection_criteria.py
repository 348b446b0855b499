"""What is measured on a candidate picture, each number with its published source, and what it has to be.

Luma is 0.299 R + 0.587 G + 0.114 B in [0, 255] (BT.601, full range), as the sources have it; a grey picture is its own.
"""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from srlab.errors import SrlabError
from srlab.images.files import read_image

# One row per candidate: 36 bytes, whatever the picture. `side` 0 marks a candidate that could not be read.
MEASURES = np.dtype(
    [
        ("side", np.uint32),  # shorter side in px
        ("jpeg_quality", np.float32),
        ("blocking", np.float32),
        ("dark", np.float32),
        ("bright", np.float32),
        ("colourfulness", np.float32),
        ("sharpness", np.float32),
        ("hash", np.uint64),
    ]
)
WINDOW = 2048  # px; of larger pictures the middle is measured, so that a worker's memory has a bound
BLACK, WHITE = 5, 250  # luma up to and from which a pixel shows nothing: 2% of the range, the noise of JPEG at an end

CHOSEN, BEYOND, DUPLICATE = 0, 1, 2  # verdicts; from 3 on: dropped by the criterion of that place
VERDICTS = (
    "chosen",
    "good, but beyond the number wanted",
    "near-duplicate",
    "unreadable",
    "grey",
    "side",
    "jpeg_quality",
    "blocking",
    "dark",
    "bright",
    "colourfulness",
    "sharpness",
)
UPPER = ("dark", "bright")  # measures that have a most; the others have a least
RANKED = ("side", "jpeg_quality", "blocking", "colourfulness", "sharpness", "exposure")  # in this order of summation


@dataclass(frozen=True)
class Criteria:
    """What a candidate has to be; docs/selection.md gives the source and the reason of each default number."""

    min_side: int  # px
    min_jpeg_quality: float  # 1..100, of the quantization tables
    min_blocking: float  # score of Wang et al. 2002, about 1..13, high where no blocks are seen
    max_dark: float  # share of pixels, 0..1
    max_bright: float  # share of pixels, 0..1
    min_colourfulness: float  # 0..150; above 0 drops grey pictures too
    min_sharpness: float  # 0..20
    duplicate_bits: int  # of 64: hashes that differ in no more are one picture; -1 keeps all


@dataclass(frozen=True)
class Weights:
    """How much each rank counts in the score; only their ratios matter, and 0 leaves one out."""

    side: float
    jpeg_quality: float
    blocking: float
    exposure: float
    colourfulness: float
    sharpness: float


def measure_file(path: Path) -> np.ndarray:
    """MEASURES, (1,), of a picture file; SrlabError (one line: file and cure) if it cannot be used."""
    image = read_image(path)
    with Image.open(path) as header:  # the tables are in the header: nothing is decoded twice
        tables = getattr(header, "quantization", None)
    return measure(image, jpeg_quality(tables))


def measure(image: np.ndarray, quality: float) -> np.ndarray:
    """MEASURES, (1,), of uint8 (H, W, 1 or 3); `quality` is what `jpeg_quality` says of its file."""
    top, left = (max(0, side - WINDOW) // 2 // 8 * 8 for side in image.shape[:2])  # stays on the grid of JPEG's blocks
    middle = image[top : top + WINDOW, left : left + WINDOW]
    grey = luma(middle)
    row = np.zeros(1, MEASURES)
    row["side"] = min(image.shape[:2])
    row["jpeg_quality"] = quality
    row["blocking"] = blocking_score(grey)
    row["dark"] = (grey <= BLACK).mean()
    row["bright"] = (grey >= WHITE).mean()
    row["colourfulness"] = colourfulness(middle)
    row["sharpness"] = sharpness(grey)
    row["hash"] = perceptual_hash(image)
    return row


def luma(image: np.ndarray) -> np.ndarray:
    """float32 (H, W) in [0, 255] of uint8 (H, W, 1 or 3)."""
    if image.shape[2] == 1:
        return image[..., 0].astype(np.float32)
    red, green, blue = (image[..., channel].astype(np.float32) for channel in range(3))
    return 0.299 * red + 0.587 * green + 0.114 * blue


def colourfulness(image: np.ndarray) -> float:
    """Colourfulness of uint8 (H, W, 1 or 3): 0 exactly where R = G = B, 15 slight, 33 moderate, 59 quite, 109 extreme.

    Hasler and Suesstrunk 2003, "Measuring colourfulness in natural images", the metric on the opponent axes R - G and
    (R + G) / 2 - B; the words are those of its table 2.
    """
    if image.shape[2] == 1:
        return 0.0
    red, green, blue = (image[..., channel].astype(np.float32) for channel in range(3))
    first, second = red - green, (red + green) / 2 - blue
    spread = np.hypot(first.std(dtype=np.float64), second.std(dtype=np.float64))
    return float(spread + 0.3 * np.hypot(first.mean(dtype=np.float64), second.mean(dtype=np.float64)))


def sharpness(grey: np.ndarray) -> float:
    """Variance of the Laplacian of (H, W) luma over the variance of the luma: 0..64, 20 for white noise.

    Pech-Pacheco et al. 2000, "Diatom autofocusing in brightfield microscopy", here divided by the contrast, so that a
    dim or pale picture does not count as a blurred one. At the picture's own resolution: an enlarged picture has no
    detail at the scale of a pixel, and must not count as sharp. 0 for a picture without contrast, or below 3 px.
    """
    if min(grey.shape) < 3:
        return 0.0
    around = grey[1:-1, :-2] + grey[1:-1, 2:] + grey[:-2, 1:-1] + grey[2:, 1:-1]
    variance = grey.var(dtype=np.float64)
    return float((around - 4 * grey[1:-1, 1:-1]).var(dtype=np.float64) / variance) if variance > 0 else 0.0


def blocking_score(grey: np.ndarray) -> float:
    """Freedom of (H, W) luma in [0, 255] from 8x8 blocks: 1 is worst, 10 good, calm photos reach 13; NaN below 16 px.

    Wang, Sheikh and Bovik 2002, "No-reference perceptual quality assessment of JPEG compressed images", with the fitted
    parameters of their `jpeg_quality_score.m`. The blocks are looked for at the grid that starts in the corner, so
    it sees one that was saved as PNG since, and not one that was cropped or resized since. It falls with texture
    too: good for a threshold, not for a ranking. 10 where no step falls on the grid.
    """
    if min(grey.shape) < 16:
        return float("nan")
    steps, activity, crossings = np.mean([_block_features(grey), _block_features(grey.T)], axis=0)
    if steps == 0:
        return 10.0
    return float(-245.8909 + 261.9373 * steps**-0.02398886 * max(activity, 0.0) ** 0.01601664 * crossings**0.00642859)


def jpeg_quality(tables: Mapping[int, Sequence[int]] | None) -> float:
    """Quality 1..100 at which libjpeg makes the nearest luma table; 100 where a file has none (it is no JPEG).

    Nearest by the sum of absolute differences. See Kornblum 2008, "Using JPEG quantization tables to identify imagery
    processed by software".
    """
    if not tables:
        return 100.0
    return 1.0 + int(np.abs(_luma_tables() - np.asarray(tables[0])).sum(axis=1).argmin())


def perceptual_hash(image: np.ndarray) -> int:
    """64 bits, an int, of uint8 (H, W, 1 or 3): equal pictures differ in few of them, whatever their size and coding.

    pHash (Zauner 2010, "Implementation and benchmarking of perceptual image hash functions"): the sign against their
    median of the 8x8 lowest DCT coefficients of the luma at 32x32 px, row by row, first bit highest.
    """
    picture = Image.fromarray(image[..., 0] if image.shape[2] == 1 else image).convert("L")
    small = np.asarray(picture.resize((32, 32), Image.Resampling.LANCZOS), np.float64)
    lowest = _COSINES @ small @ _COSINES.T
    return int.from_bytes(np.packbits(lowest > np.median(lowest)).tobytes(), "big")


def judge(measures: np.ndarray, criteria: Criteria) -> np.ndarray:
    """uint8 (n,): CHOSEN, or the place in VERDICTS of the first criterion that drops the candidate."""
    verdicts = np.zeros(len(measures), np.uint8)
    for name, fails in reversed(failures(measures, criteria).items()):
        verdicts[fails] = VERDICTS.index(name)
    return verdicts


def failures(measures: np.ndarray, criteria: Criteria) -> dict[str, np.ndarray]:
    """For every criterion, in the order of VERDICTS, bool (n,): who fails it, dropped by an earlier one or not.

    NaN fails. What could not be read fails that alone.
    """
    read = measures["side"] > 0
    passes = {"grey": (measures["colourfulness"] > 0) | (criteria.min_colourfulness <= 0)}
    for name, limit in thresholds(criteria).items():
        passes[name] = measures[name] <= limit if name in UPPER else measures[name] >= limit
    return {"unreadable": ~read} | {name: read & ~passed for name, passed in passes.items()}


def thresholds(criteria: Criteria) -> dict[str, float]:
    """What each measure may be at most (UPPER) or at least (the others), in the order of VERDICTS."""
    return {name: getattr(criteria, f"{'max' if name in UPPER else 'min'}_{name}") for name in VERDICTS[5:]}


def shares(weights: Weights) -> dict[str, float]:
    """What each rank counts in the score: adds up to 1, without those that count nothing.

    The score is the mean of the ranks (Borda 1781) because the measures have no common unit: no scale has to be
    guessed, and one extreme value, such as the "sharpness" of noise, cannot outweigh all the others.
    """
    given: Mapping[str, float] = vars(weights)
    total = sum(given.values())
    if total <= 0 or min(given.values()) < 0:
        raise SrlabError("the weights of the selection have to be at least 0, one of them above: fix params.yaml")
    return {name: given[name] / total for name in RANKED if given[name]}


def exposure(measures: np.ndarray) -> np.ndarray:
    """float32 (n,): minus the share of pixels that show nothing, so that high is good."""
    return -(measures["dark"] + measures["bright"])


def _block_features(grey: np.ndarray) -> tuple[float, float, float]:
    """Mean step across the grid's vertical lines, mean step elsewhere, share of sign changes, along the rows."""
    steps = np.diff(grey, axis=1)
    sizes = np.abs(steps)
    on_grid = sizes[:, 7 : 8 * (grey.shape[1] // 8 - 1) : 8].mean(dtype=np.float64)
    elsewhere = (8 * sizes.mean(dtype=np.float64) - on_grid) / 7
    signs = np.sign(steps)
    return on_grid, elsewhere, float((signs[:, :-1] * signs[:, 1:] < 0).mean())


@cache
def _luma_tables() -> np.ndarray:
    """(100, 64) tables that libjpeg itself writes at quality 1..100."""
    files = [io.BytesIO() for _ in range(100)]
    for quality, file in enumerate(files, 1):
        Image.new("L", (8, 8)).save(file, "JPEG", quality=quality)
    tables = [Image.open(file).quantization for file in files]  # pyright: ignore[reportAttributeAccessIssue]
    return np.array([table[0] for table in tables])


_COSINES = np.cos(np.pi * np.outer(np.arange(8), 2 * np.arange(32) + 1) / 64)  # DCT-II (8, 32), unscaled
