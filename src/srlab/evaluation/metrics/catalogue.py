"""All metrics: one line here, and one file beside this one, make a column of every table."""

from srlab.evaluation.metrics.metric import Metric
from srlab.evaluation.metrics.psnr import PSNR
from srlab.evaluation.metrics.ssim import SSIM

METRICS: dict[str, Metric] = {
    "psnr": PSNR,
    "ssim": SSIM,
}
