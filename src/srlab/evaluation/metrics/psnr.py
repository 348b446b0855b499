"""PSNR on luma, the first column of every super-resolution table."""

import torch
from torch import Tensor

from srlab.evaluation.metrics.metric import Metric, inner, strip_rows


def psnr(sr: Tensor, hr: Tensor, border: int) -> Tensor:
    """PSNR in dB per image, (B,) float64, of (B, C, H, W) in [0, 1], ignoring `border` pixels on each side.

    Identical images give inf. SrlabError if the shapes differ or `border` leaves nothing.
    Not `kornia.metrics.psnr`: it averages the squared error over the whole batch (images of 20 and 60 dB read 23 dB).
    """
    sr, hr = inner(sr, hr, border, minimum=1)
    rows = strip_rows(sr, least=1)
    errors = [(x - y).square_().sum((1, 2, 3)) for x, y in zip(sr.split(rows, 2), hr.split(rows, 2), strict=True)]
    return -10 * (torch.stack(errors).sum(0) / sr[0].numel()).log10()


PSNR = Metric("psnr", "PSNR", "dB", 2, higher_is_better=True, planes="luma", measure=psnr)
