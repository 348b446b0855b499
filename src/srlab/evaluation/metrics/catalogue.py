"""All metrics: one line here, and one file beside this one, make a column of a table."""

from srlab.evaluation.metrics.high_frequency import HIGH_FREQUENCY
from srlab.evaluation.metrics.lpips import LPIPS
from srlab.evaluation.metrics.lr_consistency import LR_CONSISTENCY
from srlab.evaluation.metrics.metric import Metric
from srlab.evaluation.metrics.niqe import NIQE
from srlab.evaluation.metrics.psnr import PSNR
from srlab.evaluation.metrics.ssim import SSIM
from srlab.evaluation.metrics.st_lpips import ST_LPIPS

METRICS: dict[str, Metric] = {
    "psnr": PSNR,
    "ssim": SSIM,
    "lpips": LPIPS,
    "st_lpips": ST_LPIPS,
    "niqe": NIQE,
    "lr_psnr": LR_CONSISTENCY,
    "high_frequency": HIGH_FREQUENCY,
}


def of_table(table: str) -> dict[str, Metric]:
    """METRICS of the table "fidelity" or "perception"."""
    return {key: metric for key, metric in METRICS.items() if metric.table == table}
