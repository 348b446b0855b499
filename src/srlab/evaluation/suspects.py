"""Why the ruler is off: which usual mistake gives the same figures, or the same LR images."""

from collections.abc import Sequence
from statistics import fmean

import numpy as np

from srlab.evaluation.known import Known
from srlab.evaluation.metrics.ssim import ssim
from srlab.evaluation.variants import RESAMPLERS, Variant, score

NEAR = (0.03, 0.003)  # dB and SSIM within which a suspect explains a reading: it rounds where the reading does not

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


def cause(images: Sequence[np.ndarray], psnr: float, found_ssim: float, line: Known) -> str:
    """The suspect protocol whose figures on `images` are nearest to a reading, if they are near enough."""
    best, nearest = None, 1.0
    for suspect in SUSPECTS:
        if RESAMPLERS[suspect.resampler].method != line.method:
            continue
        scores = [score(image, line.scale, suspect, {"gauss": ssim}) for image in images]
        distance = max(
            abs(fmean(one["psnr"] for one in scores) - psnr) / NEAR[0],
            abs(fmean(one["gauss"] for one in scores) - found_ssim) / NEAR[1],
        )
        if distance < nearest:
            best, nearest = suspect, distance
    if best is None:
        return "no usual mistake gives these figures: compare the images with the set's published digests"
    return f"these are the figures of another protocol ({best}): fix srlab.degradation or srlab.evaluation"


def reduction(pairs: Sequence[tuple[np.ndarray, np.ndarray]], scale: int) -> str:
    """What makes the LR images of (HR, LR) pairs, to one grey level."""
    for entry in RESAMPLERS.values():
        made = [(entry.down(np.array(hr), scale), lr) for hr, lr in pairs]
        if all(ours.shape == lr.shape and np.abs(ours.astype(int) - lr).max() <= 1 for ours, lr in made):
            return f"but what '{entry.label}' makes"
    return "nor another usual one"
