"""Measure src/srlab/report/protocols.csv again: `SRLAB_DATASETS=... python benchmarks/make_protocols.py` (minutes)."""

import csv
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
from joblib import Parallel, delayed

from srlab.evaluation.variants import RESAMPLERS, SSIMS, Variant, score
from srlab.files import replacing
from srlab.images.files import read_image
from srlab.progress import track

TARGET = Path(__file__).parents[1] / "src/srlab/report/protocols.csv"
SCALES, SETS = (4, 3, 2), ("Set5", "Set14", "BSD100")
FIELDS = ("scale", "set", "resampler", "colour", "border", "luma_first", "psnr", *SSIMS)
HEADER = """\
# Bicubic and nearest on the uncropped HR images of Set5, Set14 and BSD100 under the protocol variants of
# srlab.evaluation.variants, measured by benchmarks/make_protocols.py; 8-bit images at every step. PSNR in dB.
"""


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


def measured(set_name: str, images: Sequence[np.ndarray], scale: int, variant: Variant) -> dict[str, Any]:
    """One line: means over uint8 `images` (H, W, 1 or 3), PSNR to 4 decimals, SSIM to 5.

    Daala's SSIM, a tool for luma, on studio-range luma only.
    """
    kinds = {name: kind for name, kind in SSIMS.items() if name != "daala" or variant.colour == "studio"}
    scores = [score(image, scale, variant, kinds) for image in images]
    return {
        "scale": scale,
        "set": set_name,
        "resampler": variant.resampler,
        "colour": variant.colour,
        "border": int(variant.border),
        "luma_first": int(variant.luma_first),
        "psnr": f"{fmean(one['psnr'] for one in scores):.4f}",
        **{kind: f"{fmean(one[kind] for one in scores):.5f}" for kind in kinds},
    }


def main() -> None:
    """Write the table, whole or not at all."""
    if "SRLAB_DATASETS" not in os.environ:
        sys.exit(f"error: set SRLAB_DATASETS to the folder that holds {', '.join(SETS)}")
    folders = {name: sorted(Path(os.environ["SRLAB_DATASETS"], name).glob("*.png")) for name in SETS}
    images = {name: [read_image(path) for path in paths] for name, paths in folders.items()}
    jobs = [(name, images[name], scale, one) for scale in SCALES for name in SETS for one in variants(images[name])]
    work = Parallel(n_jobs=-1, return_as="generator")(delayed(measured)(*job) for job in jobs)
    lines: list[Any] = list(track(work, "protocols", total=len(jobs)))  # pyright: ignore[reportArgumentType]: joblib
    with replacing(TARGET) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        file.write(HEADER)
        writer = csv.DictWriter(file, FIELDS, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)


if __name__ == "__main__":
    main()
