"""High-frequency energy ratio: how much of the detail that an LR image cannot hold an SR image shows."""

import torch
from torch import Tensor

from srlab.evaluation.metrics.metric import Metric, inner


def high_frequency(sr: Tensor, hr: Tensor, border: int) -> Tensor:
    """Energy of SR over that of HR beyond the LR image's frequencies, (B,) float64, of (B, 1, H, W) luma in [0, 1].

    `border` pixels are ignored on each side, and since every protocol ignores `scale` of them, it is the scale, too:
    an LR image holds frequencies up to 1 / (2 * scale) cycles per HR pixel along each axis. Below 1 an image is
    blurred; above, it has more detail, ringing or noise than the original. Whether it is the right detail, this does
    not see. SrlabError if the shapes differ or a side is below 11 + 2 * border.
    Energy is that of the Fourier transform of the image without its mean, under a Hann window: otherwise the jump from
    one edge of the image to the opposite one would be most of it.
    """
    sr, hr = inner(sr, hr, border, minimum=11)  # px, SSIM's minimum: no set is refused for this metric's sake
    return _energy(sr, border) / _energy(hr, border)


def _energy(planes: Tensor, scale: int) -> Tensor:
    height, width = planes.shape[2:]
    like = {"dtype": planes.dtype, "device": planes.device}
    window = torch.outer(torch.hann_window(height, **like), torch.hann_window(width, **like))
    spectrum = torch.fft.rfft2((planes - planes.mean((2, 3), keepdim=True)) * window).abs().square_()
    down, across = torch.fft.fftfreq(height, **like).abs()[:, None], torch.fft.rfftfreq(width, **like)
    high = torch.maximum(down, across) > 1 / (2 * scale)
    twice = torch.where((across == 0) | (across == 0.5), 1.0, 2.0)  # rfft2 gives one of each conjugate pair
    return (spectrum * (high * twice)).sum((1, 2, 3))


HIGH_FREQUENCY = Metric(
    "high_frequency",
    "HF energy",
    "",
    3,
    higher_is_better=None,
    planes="luma",
    measure=high_frequency,
    table="perception",
)
