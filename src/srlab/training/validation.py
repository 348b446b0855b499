"""What both Lightning modules measure on a validation image."""

from torch import Tensor

from srlab.evaluation.metrics.catalogue import of_table
from srlab.images.colour import luma


def validation_scores(sr: Tensor, hr: Tensor, border: int) -> dict[str, Tensor]:
    """{"val/<metric>": scalar} of one SR and HR image (1, C, H, W) in [0, 1]; of C = 1 what is measured on luma alone.

    Only metrics of fidelity: those of perception are dear. Neither the image nor its luma is rounded to 8 bit, unlike
    in the final evaluation: the last hundredth of a dB does not matter for choosing an epoch.
    """
    sr = sr.float().clamp(0, 1)
    pairs = {"luma": (luma(sr), luma(hr))} | ({"rgb": (sr, hr)} if sr.shape[1] == 3 else {})
    return {
        f"val/{name}": metric.measure(*pairs[metric.planes], border).mean()
        for name, metric in of_table("fidelity").items()
        if metric.planes in pairs
    }
