"""LR consistency: how well an SR image, reduced again, agrees with the LR image that it was made from."""

from srlab.evaluation.metrics.metric import Metric
from srlab.evaluation.metrics.psnr import psnr

# PSNR over RGB. The reduced SR image is not rounded: an image that agrees perfectly reads about 58 dB, which is the
# rounding of the LR image, and not infinity. Source: Lugmayr et al., "NTIRE 2021 learning the super-resolution space
# challenge", 2021, sec. 2.3.2, where 45 dB count as consistent.
LR_CONSISTENCY = Metric(
    "lr_psnr", "LR-PSNR", "dB", 2, higher_is_better=True, planes="lr", measure=psnr, table="perception"
)
