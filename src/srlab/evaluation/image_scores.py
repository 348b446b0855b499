"""The scores of one image under the protocol."""

import numpy as np

from srlab.errors import SrlabError
from srlab.evaluation.metrics import psnr, ssim
from srlab.evaluation.protocol import border, to_luma


def image_scores(output: np.ndarray, original: np.ndarray, scale: int, where: str) -> dict[str, float]:
    """{"psnr": dB, "ssim"} under PROTOCOL of an 8-bit output (H, W, C) against its original.

    SrlabError, beginning with `where`, if the image is too small to score or the output equals the original.
    """
    sr, hr = to_luma(output), to_luma(original)
    try:
        scores = {"psnr": psnr(sr, hr, border(scale)).item(), "ssim": ssim(sr, hr, border(scale)).item()}
    except SrlabError as error:
        raise SrlabError(f"{where}: {error}") from error
    if scores["psnr"] == float("inf"):  # JSON has no infinity, and one such image would make the set's mean infinite
        raise SrlabError(f"{where}: the output equals the original (a flat image?): leave it out of the set")
    return scores
