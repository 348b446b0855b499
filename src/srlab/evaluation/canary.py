"""The ruler, checked before anything is measured with it: interpolation on the standard sets against known figures.

The published baselines were made on luma, and their LR images were never rounded: 8-bit Y is reduced, enlarged, rounded
to 8 bit and scored. That order gives 33.661, 30.392 and 28.421 dB on Set5 where the tables print 33.66, 30.39 and
28.42 (rounding the LR image costs up to 0.009 dB). So the check goes that way, through the same resize, luma, metrics
and border that every other score goes through.
"""

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from statistics import fmean
from typing import Protocol

import numpy as np

from srlab.data.resample import imresize, to_uint8
from srlab.errors import SrlabError
from srlab.evaluation.metrics import psnr, ssim
from srlab.evaluation.protocol import border, to_luma
from srlab.evaluation.variants import RESAMPLERS, Variant, score
from srlab.progress import track

PSNR_TOLERANCE, SSIM_TOLERANCE = 0.01, 0.001  # published figures are rounded to 0.01 dB; Set14's SSIMs spread by 0.0008
EXPLAINED = 3  # tolerances within which a suspect explains a reading: suspects round the LR image, the reading does not
LR_TOLERANCE = 1  # grey levels: MATLAB on uint8 images rounds between its two passes

SUSPECTS = tuple(
    Variant(resampler, colour, with_border, luma_first)
    for resampler, colour, with_border in (
        ("opencv", "studio", True),
        ("no-antialias", "studio", True),
        ("matlab-opencv", "studio", True),
        ("area-opencv", "studio", True),
        ("matlab", "full", True),
        ("matlab", "rgb", True),
        ("matlab", "grey-as-rgb", True),
        ("matlab", "studio", False),
        ("nearest", "full", True),
        ("nearest", "rgb", True),
        ("nearest", "grey-as-rgb", True),
        ("nearest", "studio", False),
    )
    for luma_first in (True, False)
)


class TestImages(Protocol):
    """What the check needs of a `srlab.data.pairs.PairStore`."""

    __test__ = False  # not a test case of pytest's

    scale: int
    test: list[str]

    def hr(self, name: str) -> np.ndarray: ...
    def lr(self, name: str) -> np.ndarray: ...


@dataclass(frozen=True)
class CanaryRow:
    """One reading of the ruler: PSNR in dB and SSIM of `method` (bicubic, nearest) on a standard set, and the known."""

    set: str
    method: str
    scale: int
    psnr: float
    ssim: float
    known_psnr: float
    known_ssim: float
    source: str

    @property
    def holds(self) -> bool:
        """Whether both readings lie within the tolerances."""
        near_psnr = abs(self.psnr - self.known_psnr) <= PSNR_TOLERANCE
        return near_psnr and abs(self.ssim - self.known_ssim) <= SSIM_TOLERANCE


def check(stores: Mapping[str, TestImages], scale: int, *, bicubic_lr: bool) -> list[CanaryRow]:
    """Readings on every store that is a standard set at `scale`; none where there is no such set or no known figure.

    With `bicubic_lr` (the degradation is plain bicubic) the stored LR images are checked as well. SrlabError, naming
    the likely cause, if a reading is more than 0.01 dB or 0.001 off, or an LR image more than one grey level.
    """
    rows = []
    for key, store in stores.items():
        set_name = recognized(store)
        if set_name is None:
            continue
        known = {method: row for (at, name, method), row in _known().items() if (at, name) == (scale, set_name)}
        if known:
            rows += _checked(key, set_name, store, scale, known)
        if bicubic_lr:
            _check_lr(key, store, scale)
    return rows


def recognized(store: TestImages) -> str | None:
    """Set5, Set14, BSD100 or Urban100, by the names of its test images or else by their sizes; None for others."""
    sizes = sorted(store.hr(name).shape[:2] for name in store.test)
    for set_name, images in _catalogue().items():
        if set(store.test) == set(images):
            return set_name
        expected = [_cut(size, store.scale) for size, _ in images.values() if size]
        if sizes and sizes == sorted(expected):
            return set_name
    return None


def _checked(
    key: str, set_name: str, store: TestImages, scale: int, known: Mapping[str, Mapping[str, str]]
) -> Iterable[CanaryRow]:
    images = [store.hr(name) for name in store.test]
    found = {method: [] for method in known}
    for image in track(images, f"ruler on {key}"):
        for method in known:
            found[method].append(_reading(image, scale, method))
    for method, scores in found.items():
        line = known[method]
        means = (fmean(one[0] for one in scores), fmean(one[1] for one in scores))
        row = CanaryRow(set_name, method, scale, *means, float(line["psnr"]), float(line["ssim"]), line["source"])
        if not row.holds:
            raise SrlabError(
                f"{key}: {method} x{scale} reads {row.psnr:.3f} dB / {row.ssim:.4f} on {set_name}, known is "
                f"{row.known_psnr:.2f} dB / {row.known_ssim:.4f} ({row.source}); {_cause(set_name, store, row)}"
            )
        yield row


def _reading(image: np.ndarray, scale: int, method: str) -> tuple[float, float]:
    """PSNR in dB and SSIM of one uint8 HR image (H, W, C): 8-bit luma, LR not rounded, as in the literature."""
    original = to_luma(image)
    reduced = imresize(original, scale=1 / scale)
    result = to_uint8(imresize(reduced, scale=float(scale), method=method)).double() / 255
    pixels = border(scale)
    return psnr(result, original, pixels).item(), ssim(result, original, pixels).item()


def _cause(set_name: str, store: TestImages, row: CanaryRow) -> str:
    """What explains the reading: other images than the set's, or the suspect protocol that gives the same figures."""
    kind = {1: "grey", 3: "RGB"}
    images = {name: store.hr(name) for name in store.test}
    for name, (size, channels) in _catalogue()[set_name].items():
        if name not in images or size is None or channels is None:
            continue
        (height, width), found = images[name].shape[:2], images[name].shape[2]
        whole = _cut(size, store.scale)
        if (height, width) != whole:
            return (
                f"{name} is {width}x{height} px and the original {whole[1]}x{whole[0]} at this scale: "
                "a cropped or foreign variant, fetch the uncropped set"
            )
        if found != channels:
            return f"{name} is {kind[found]} and the original {kind[channels]}: fetch the set again, do not convert it"
    explanation = _closest_suspect(list(images.values()), row)
    if explanation:
        return f"these are the figures of another protocol ({explanation}): mend srlab.data or srlab.evaluation"
    return "no usual suspect gives these figures: compare the images with the set's published digests"


def _closest_suspect(images: Sequence[np.ndarray], row: CanaryRow) -> Variant | None:
    """The suspect protocol whose figures on `images` are nearest to the reading, if they are near enough."""
    best, distance = None, float(EXPLAINED)
    for suspect in SUSPECTS:
        if RESAMPLERS[suspect.resampler].method != row.method:
            continue
        scores = [score(image, row.scale, suspect, {"gauss": ssim}) for image in images]
        off_psnr = abs(fmean(one["psnr"] for one in scores) - row.psnr) / PSNR_TOLERANCE
        off_ssim = abs(fmean(one["gauss"] for one in scores) - row.ssim) / SSIM_TOLERANCE
        if max(off_psnr, off_ssim) < distance:
            best, distance = suspect, max(off_psnr, off_ssim)
    return best


def _check_lr(key: str, store: TestImages, scale: int) -> None:
    wrong = [name for name in store.test if not _is_reduced(store.hr(name), store.lr(name), "matlab", scale)]
    if not wrong:
        return
    pairs = [(store.hr(name), store.lr(name)) for name in wrong]
    for resampler, entry in RESAMPLERS.items():
        if all(_is_reduced(hr, lr, resampler, scale) for hr, lr in pairs):
            raise SrlabError(
                f"{key}: the LR image of {wrong[0]} and {len(wrong) - 1} more are not MATLAB's bicubic reduction but "
                f"what '{entry.label}' makes: run `dvc repro` with degradation bicubic"
            )
    raise SrlabError(
        f"{key}: the LR image of {wrong[0]} and {len(wrong) - 1} more are not the bicubic x{scale} reduction of "
        "the HR image, nor another usual one: run `dvc repro`, or name their degradation"
    )


def _is_reduced(hr: np.ndarray, lr: np.ndarray, resampler: str, scale: int) -> bool:
    made = RESAMPLERS[resampler].down(np.array(hr), scale)
    return made.shape == lr.shape and int(np.abs(made.astype(int) - lr).max()) <= LR_TOLERANCE


def _cut(size: Sequence[int], scale: int) -> tuple[int, int]:
    return size[0] // scale * scale, size[1] // scale * scale


@lru_cache
def _catalogue() -> dict[str, dict[str, tuple[tuple[int, int] | None, int | None]]]:
    """{set: {image: ((height, width), channels)}}; None where not known."""
    sets: dict[str, dict[str, tuple[tuple[int, int] | None, int | None]]] = {}
    for row in _table("standard_sets.csv"):
        size = (int(row["height"]), int(row["width"])) if row["width"] else None
        sets.setdefault(row["set"], {})[row["image"]] = (size, int(row["channels"]) if row["channels"] else None)
    return sets


@lru_cache
def _known() -> dict[tuple[int, str, str], dict[str, str]]:
    """{(scale, set, method): {"psnr", "ssim", "source"}}."""
    return {(int(row["scale"]), row["set"], row["method"]): row for row in _table("known_scores.csv")}


def _table(name: str) -> list[dict[str, str]]:
    text = files("srlab.evaluation").joinpath(name).read_text(encoding="utf-8")
    return list(csv.DictReader(line for line in text.splitlines() if not line.startswith("#")))
