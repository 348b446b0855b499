"""PSNR and SSIM of luma images, one value per image: means are taken over values, never over pixels of a batch."""

from kornia.metrics import ssim as ssim_map
from torch import Tensor

from srlab.errors import SrlabError

WINDOW = 11  # taps of the Gaussian window (Wang et al. 2004, sec. III-B); kornia fixes its sigma at their 1.5


def psnr(sr: Tensor, hr: Tensor, border: int) -> Tensor:
    """PSNR in dB per image, (B,) float64, of (B, 1, H, W) luma in [0, 1], ignoring `border` pixels on each side.

    Identical images give inf. SrlabError if the shapes differ or `border` leaves nothing.
    Not `kornia.metrics.psnr`: it averages the squared error over the whole batch (images of 20 and 60 dB read 23 dB).
    """
    sr, hr = _inner(sr, hr, border, minimum=1)
    return -10 * (sr - hr).square().mean((1, 2, 3)).log10()


def ssim(sr: Tensor, hr: Tensor, border: int) -> Tensor:
    """SSIM in [-1, 1] per image, (B,) float64, of (B, 1, H, W) luma in [0, 1], ignoring `border` pixels on each side.

    Mean of the SSIM map over the pixels whose whole 11x11 Gaussian window (sigma 1.5) lies inside what `border` left;
    K1 = 0.01, K2 = 0.03, L = 1, weights normalised, moments without Bessel's correction. SrlabError if the shapes
    differ or a side is below 11 + 2 * border.
    Source: Wang et al., "Image quality assessment: from error visibility to structural similarity", 2004, eq. 13 to 17.
    """
    sr, hr = _inner(sr, hr, border, minimum=WINDOW)
    # eps=0: kornia's default adds 1e-12 to the denominator, which is no part of eq. 13.
    return ssim_map(sr, hr, WINDOW, max_val=1.0, eps=0.0, padding="valid").mean((1, 2, 3))


def _inner(sr: Tensor, hr: Tensor, border: int, minimum: int) -> tuple[Tensor, Tensor]:
    """Both images (B, 1, H - 2 * border, W - 2 * border) in float64."""
    if sr.shape != hr.shape:
        raise SrlabError(f"cannot compare images of different shapes: {tuple(sr.shape)} and {tuple(hr.shape)}")
    if sr.ndim != 4 or sr.shape[1] != 1:
        raise SrlabError(
            f"metrics take luma of shape (B, 1, H, W), got {tuple(sr.shape)}: convert with `to_luma` first"
        )
    height, width = sr.shape[2:]
    if min(height, width) < minimum + 2 * border:
        raise SrlabError(
            f"an image of {width}x{height} px is too small to score: with a border of {border} px "
            f"the smallest usable side is {minimum + 2 * border}, so leave the image out of the set"
        )
    inside = (..., slice(border, height - border), slice(border, width - border))
    return sr[inside].double(), hr[inside].double()
