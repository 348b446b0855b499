"""Which differences between neighbours of the table are more than chance, judged by the images of the largest set."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from srlab.evaluation.scores import under
from srlab.report.table import markdown

MIN_IMAGES = 20  # with fewer, hardly a difference could be told from chance
LEVEL = 0.05
RESAMPLES, SEED = 10_000, 0


@dataclass(frozen=True)
class Difference:
    """Mean of the paired differences, their bootstrap interval [low, high] and the p-value of Wilcoxon's test."""

    mean: float
    low: float
    high: float
    p: float

    @property
    def distinguishable(self) -> bool:
        """Whether both the test and the interval exclude equality."""
        return self.p < LEVEL and not self.low <= 0 <= self.high


def compare(first: Sequence[float], second: Sequence[float]) -> Difference:
    """How `first` differs from `second`, values of the same images in the same order.

    Wilcoxon's signed-rank test, two-sided, without the images that do not differ (Wilcoxon 1945); the percentile
    interval, 95 %, of the mean over 10,000 bootstrap resamples of the images, drawn from a fixed seed.
    """
    from scipy.stats import bootstrap, wilcoxon

    differences = np.subtract(first, second)
    p = float(np.asarray(wilcoxon(differences))[1]) if differences.any() else 1.0
    rng = np.random.default_rng(SEED)
    options = {"n_resamples": RESAMPLES, "batch": 1000, "method": "percentile", "confidence_level": 1 - LEVEL}
    interval = bootstrap((differences,), np.mean, rng=rng, **options).confidence_interval
    return Difference(float(differences.mean()), float(interval.low), float(interval.high), p)


def section(metrics: Sequence[Mapping[str, Any]], protocol: str, titles: Mapping[str, str]) -> str:
    """Markdown: the methods by falling PSNR on the largest test set, each compared with the next.

    `metrics` are what `evaluate` returns, the others as for `table.summary`; a line that says why where there is no
    set of MIN_IMAGES images, or a single method.
    """
    headline = [under(one, protocol) for one in metrics]
    sizes = {name: len(found["images"]) for name, found in headline[0]["datasets"].items()}
    name = max(sizes, key=lambda one: sizes[one])
    heading = "## Differences between neighbours"
    if sizes[name] < MIN_IMAGES or len(metrics) < 2:
        return f"{heading}\n\nNot tested: that takes two methods and a test set of {MIN_IMAGES} images."
    ranked = sorted(headline, key=lambda one: one["datasets"][name]["psnr"], reverse=True)
    images = list(ranked[0]["datasets"][name]["images"])
    psnrs = [[one["datasets"][name]["images"][image]["psnr"] for image in images] for one in ranked]
    lines = []
    for (one, values), (other, others) in pairwise(zip(ranked, psnrs, strict=True)):
        found, wins = compare(values, others), int(np.greater(values, others).sum())
        interval = f"[{found.low:+.3f}, {found.high:+.3f}]"
        p = f"{found.p:.1e}" if found.p < 0.001 else f"{found.p:.3f}"
        verdict = "" if found.distinguishable else "not distinguishable"
        lines.append([one["label"], other["label"], verdict, f"{found.mean:+.3f}", interval, f"{wins}", p])
    text = (
        f"Each method beside the next by PSNR on {titles.get(name, name)}: mean difference over the {len(images)} "
        f"images with its 95 % interval (percentile bootstrap, {RESAMPLES:,} resamples), the images on which it is the "
        "better one, and the p-value of Wilcoxon's signed-rank test. Neighbours are not distinguishable where the "
        f"interval holds 0 or p is {LEVEL} or more; p-values are not corrected for the number of pairs. Other seeds of "
        "the same training are not part of this."
    )
    headings = ["Method", "Next", "", "PSNR (dB): difference", "95 % interval", "Better on", "p"]
    return "\n\n".join([heading, text, markdown(headings, lines, num_text=3)])
