"""Why the metrics are off: which usual mistake gives the same figures, or the same LR images."""

from collections.abc import Sequence
from itertools import product

import numpy as np

from srlab.evaluation.known import Known
from srlab.evaluation.metrics.ssim import ssim
from srlab.evaluation.variants import RESAMPLERS, Variant, score

NEAR = (0.03, 0.003)  # dB and SSIM within which a suspect explains a reading: it rounds where the reading does not
RIGHT = [("matlab", "studio", True), ("nearest", "studio", True)]  # resampler, colour and border of the protocols


def cause(image: np.ndarray, psnr: float, found_ssim: float, line: Known) -> str:
    """The other protocol whose figures on `image` are nearest to a reading, if they are near enough."""

    def distance(suspect: Variant) -> float:
        found = score(image, line.scale, suspect, {"ssim": ssim})
        return max(abs(found["psnr"] - psnr) / NEAR[0], abs(found["ssim"] - found_ssim) / NEAR[1])

    resamplers = [name for name, one in RESAMPLERS.items() if one.method == line.method]
    choices = product(resamplers, ("studio", "full", "rgb"), (True, False), (True, False))
    nearest = min((Variant(*one) for one in choices if one[:3] not in RIGHT), key=distance)
    if distance(nearest) >= 1:
        return "no usual mistake gives these figures: fix srlab.degradation or srlab.evaluation"
    return f"these are the figures of another protocol ({nearest}): fix srlab.degradation or srlab.evaluation"


def reduction(pairs: Sequence[tuple[np.ndarray, np.ndarray]], scale: int) -> str:
    """What makes the LR images of (HR, LR) pairs, to one grey level."""
    for entry in RESAMPLERS.values():
        made = [(entry.down(np.array(hr), scale), lr) for hr, lr in pairs]
        if all(ours.shape == lr.shape and np.abs(ours.astype(int) - lr).max() <= 1 for ours, lr in made):
            return f"but what '{entry.label}' makes"
    return "nor another usual one"
