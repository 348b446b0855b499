"""`srlab.metrics`: scores of two images under a protocol, as every table here has them."""

from functools import partial
from typing import Any

import numpy as np

from srlab.errors import SrlabError


def psnr(sr: Any, hr: Any, border: int, protocol: str = "modern") -> float:
    """PSNR in dB on the luma of two images of equal size; inf of equal ones.

    Args:
        sr: what a method gives: a PIL image (grey or RGB), or a uint8 array (H, W), (H, W, 1) or (H, W, 3).
        hr: the original, likewise.
        border: pixels ignored on each side; tables take the scale.
        protocol: name of a file of conf/base/protocol: modern or classic.

    Raises:
        SrlabError: an image is something else, sizes differ, or there is no such protocol.
    """
    return _score("psnr", sr, hr, border, protocol)


def ssim(sr: Any, hr: Any, border: int, protocol: str = "modern") -> float:
    """SSIM in [-1, 1] on the luma of two images of equal size; arguments and errors as of `psnr`."""
    return _score("ssim", sr, hr, border, protocol)


def _score(name: str, sr: Any, hr: Any, border: int, protocol: str) -> float:
    from hydra.utils import instantiate

    from srlab.evaluation.metrics.psnr import PSNR
    from srlab.evaluation.metrics.ssim import SSIM
    from srlab.kinds import content_of, names_in
    from srlab.stage import ROOT

    known = names_in(ROOT / "conf/base/protocol")
    if protocol not in known:
        raise SrlabError(f"there is no protocol {protocol}: choose one of {', '.join(known)}")
    metric = {"psnr": PSNR, "ssim": SSIM}[name]
    planes = partial(instantiate(content_of(ROOT / f"conf/base/protocol/{protocol}.yaml")).planes, kind=metric.planes)
    return metric.measure(planes(_array(sr)), planes(_array(hr)), border).item()


def _array(image: Any) -> np.ndarray:
    array = np.asarray(image)
    return array[..., None] if array.ndim == 2 else array
