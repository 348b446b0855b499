"""What both Lightning modules measure on a validation image."""

from torch import Tensor

from srlab.data.colour import luma
from srlab.evaluation.metrics import psnr, ssim


def luma_scores(sr: Tensor, hr: Tensor, border: int) -> dict[str, Tensor]:
    """{"val/psnr": dB, "val/ssim"}, scalars, of one SR and HR image (1, C, H, W) in [0, 1], on luma as in the tables.

    Not rounded to 8 bit, unlike the final evaluation: the last hundredth of a dB does not matter for choosing an epoch.
    """
    sr_luma, hr_luma = luma(sr.float().clamp(0, 1)), luma(hr)
    return {"val/psnr": psnr(sr_luma, hr_luma, border).mean(), "val/ssim": ssim(sr_luma, hr_luma, border).mean()}
