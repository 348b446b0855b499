"""SSIM on luma."""

import math
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

from srlab.errors import SrlabError
from srlab.evaluation.metrics.metric import Metric, inner, strip_rows

WINDOW, SIGMA = 11, 1.5  # Gaussian window (Wang et al. 2004, sec. III-B)
CUT = WINDOW - 1  # positions along an axis that a window does not have
BELL = [math.exp(-((tap - WINDOW // 2) ** 2) / (2 * SIGMA**2)) for tap in range(WINDOW)]
GAUSSIAN = [tap / sum(BELL) for tap in BELL]
C1, C2 = 0.01**2, 0.03**2  # K1 and K2 of the same section, squared, for L = 1


def ssim(sr: Tensor, hr: Tensor, border: int) -> Tensor:
    """SSIM in [-1, 1] per image, (B,) float64, of (B, 1, H, W) luma in [0, 1], ignoring `border` pixels on each side.

    Mean of the SSIM map over the pixels whose whole 11x11 Gaussian window (sigma 1.5) lies inside what `border` left;
    K1 = 0.01, K2 = 0.03, L = 1, weights normalised, moments without Bessel's correction. SrlabError if the shapes
    differ or a side is below 11 + 2 * border.
    Source: Wang et al., "Image quality assessment: from error visibility to structural similarity", 2004, eq. 13 to 17.
    Not `kornia.metrics.ssim`, which gives the same to 1e-15 and takes four times as long: it filters five planes with
    all 121 weights.
    """
    sr, hr = inner(sr, hr, border, minimum=WINDOW)
    if sr.shape[1] != 1:
        raise SrlabError(f"SSIM takes luma of shape (B, 1, H, W), got {sr.shape[1]} channels: convert first")
    x, y = sr[:, 0], hr[:, 0]
    height, width = x.shape[1:]
    rows = strip_rows(x, least=4 * WINDOW)  # overlapping by one window: wide images are cut no thinner than this
    jobs = [(image, top) for image in range(len(x)) for top in range(0, height - CUT, rows - CUT)]

    def strip(job: tuple[int, int]) -> Tensor:
        image, top = job
        return _sum_of_map(x[image, top : top + rows], y[image, top : top + rows])

    workers = min(torch.get_num_threads(), len(jobs)) if x.device.type == "cpu" else 1
    if workers == 1:
        sums = list(map(strip, jobs))
    else:
        with ThreadPoolExecutor(workers) as pool:
            sums = list(pool.map(strip, jobs))
    return torch.stack(sums).view(len(x), -1).sum(1) / ((height - CUT) * (width - CUT))


def _sum_of_map(x: Tensor, y: Tensor) -> Tensor:
    """Sum of the SSIM map (eq. 13 with C1, C2) of two (h, w) float64 images over the windows that lie inside, ().

    Rows are filtered as one long line, so that every pass runs over contiguous memory; the windows that reach around
    the end of a row are cut off at the end. Only the sum of the two variances is needed: four planes, not five.
    """
    height, width = x.shape
    x, y = x.reshape(-1), y.reshape(-1)
    mean_x, mean_y = _windowed(x, width), _windowed(y, width)
    squares, products = _windowed((x * x).addcmul_(y, y), width), _windowed(x * y, width)
    product = mean_x * mean_y
    mean_squares = mean_x.square_().add_(mean_y.square_())
    covariance, variances = products.sub_(product), squares.sub_(mean_squares)
    luminance = product.mul_(2).add_(C1).div_(mean_squares.add_(C1))
    line = luminance.mul_(covariance.mul_(2).add_(C2)).div_(variances.add_(C2))
    return torch.nn.functional.pad(line, (0, CUT)).view(height - CUT, width)[:, : width - CUT].sum()


def _windowed(line: Tensor, width: int) -> Tensor:
    """Weighted mean over a square window at every position of an image `width` wide, row after row in `line` (n,)."""
    for step in (width, 1):
        length = len(line) - CUT * step
        result = line[:length] * GAUSSIAN[0]
        for index, tap in enumerate(GAUSSIAN[1:], 1):
            result.add_(line[index * step : index * step + length], alpha=tap)
        line = result
    return line


SSIM = Metric("ssim", "SSIM", "", 4, higher_is_better=True, planes="luma", measure=ssim)
