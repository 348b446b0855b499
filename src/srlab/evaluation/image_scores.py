"""The scores of one image under one protocol."""

import math

import numpy as np

from srlab.errors import SrlabError
from srlab.evaluation.metrics.catalogue import METRICS
from srlab.evaluation.protocol import Protocol, border


def image_scores(
    output: np.ndarray, original: np.ndarray, scale: int, protocol: Protocol, where: str
) -> dict[str, float]:
    """{metric: value} of METRICS for a uint8 output (H, W, C) against its original.

    SrlabError, beginning with `where`, if the image is too small to score or a value is not finite, as the PSNR of
    an output that equals the original.
    """
    pairs = {
        kind: (protocol.planes(output, kind), protocol.planes(original, kind))
        for kind in {metric.planes for metric in METRICS.values()}
    }
    try:
        scores = {name: metric.measure(*pairs[metric.planes], border(scale)).item() for name, metric in METRICS.items()}
    except SrlabError as error:
        raise SrlabError(f"{where}: {error}") from error
    for name, value in scores.items():
        if not math.isfinite(value):  # JSON has no infinity, and one such image would make the set's mean infinite
            raise SrlabError(
                f"{where}: {METRICS[name].label} is {value}: the output equals the original (a flat image?), "
                "leave it out of the set"
            )
    return scores
