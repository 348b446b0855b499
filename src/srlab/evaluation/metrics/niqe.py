"""NIQE: how far the statistics of an image lie from those of undistorted photos. It looks at no original."""

import torch
import torch.nn.functional as F
from torch import Tensor

from srlab.evaluation.metrics.metric import Metric, Parameters, inner
from srlab.images.colour import luma
from srlab.images.resample import imresize

# Measured by the authors on 125 photos: docs/metrics.md says where the file comes from, and its terms.
PARAMETERS = Parameters("SRLAB_NIQE", "metrics/niqe_pris_params.npz")
SHAPES = {"mu_pris_param": (1, 36), "cov_pris_param": (36, 36), "gaussian_window": (7, 7)}
BLOCK = 96  # px
SMALLEST = 2 * BLOCK  # px: a covariance wants several blocks
NEIGHBOURS = ((0, 1), (1, 0), (1, 1), (1, -1))
ALPHAS = torch.arange(0.2, 10.001, 0.001, dtype=torch.float64)  # shapes that are tried, as in the authors' release


def niqe(sr: Tensor, hr: Tensor, border: int) -> Tensor:
    """NIQE per image, (B,) float64, of `sr` (B, 3, H, W) RGB in [0, 1], ignoring `border` pixels; lower is better.

    Of the BT.601 studio-range luma, rounded to 8 bit; `hr` is not looked at. SrlabError if a side is below
    192 + 2 * border, or the parameters are missing or damaged; nan where hardly any block has structure.
    """
    sr, _ = inner(sr, sr, border, minimum=SMALLEST)
    return torch.stack([naturalness((image * 255).round()) for image in luma(sr)[:, 0]])


def naturalness(grey: Tensor) -> Tensor:
    """NIQE, (), of one image (H, W) in grey levels 0 to 255, float64, cut to whole blocks of 96x96 px.

    Source: Mittal, Soundararajan and Bovik, "Making a completely blind image quality analyzer", 2013, and the choices
    of the authors' release (grid of shapes, border, second scale by MATLAB's bicubic).
    """
    pristine = {name: tensor.to(grey.device, torch.float64) for name, tensor in PARAMETERS.read(SHAPES).items()}
    rows, columns = (side // BLOCK for side in grey.shape)
    grey = grey[: rows * BLOCK, : columns * BLOCK]
    features = torch.cat(
        [
            _block_features(_normalized(image, pristine["gaussian_window"]), BLOCK // reduction)
            for image, reduction in ((grey, 1), (imresize(grey, scale=0.5), 2))
        ],
        dim=1,
    )
    mean = features.nanmean(0)
    structured = features[~features.isnan().any(1)]
    if len(structured) < 2:
        return features.new_tensor(torch.nan)
    covariance, apart = structured.T.cov(), mean - pristine["mu_pris_param"][0]
    return (apart @ torch.linalg.pinv((pristine["cov_pris_param"] + covariance) / 2) @ apart).sqrt()


def _normalized(image: Tensor, window: Tensor) -> Tensor:
    """Without the local mean, over the local contrast (eq. 1 to 3)."""

    def local_mean(x: Tensor) -> Tensor:
        return F.conv2d(F.pad(x[None, None], (3, 3, 3, 3), "replicate"), window[None, None])[0, 0]

    mean = local_mean(image)
    return (image - mean) / ((local_mean(image * image) - mean * mean).abs().sqrt() + 1)


def _block_features(image: Tensor, side: int) -> Tensor:
    """(blocks, 18): shapes and spreads of the values, and of the products of neighbours, of each block of `side` px."""
    blocks = image.unfold(0, side, side).unfold(1, side, side).reshape(-1, side, side)
    alpha, left, right, _ = _fitted(blocks)
    found = [alpha, (left + right) / 2]
    for shift in NEIGHBOURS:
        alpha, left, right, mean = _fitted(blocks * blocks.roll(shift, (1, 2)))
        found += [alpha, mean, left, right]
    return torch.stack(found, 1)


def _fitted(blocks: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Shape, left and right scale and mean of the asymmetric generalized Gaussian of each block (eq. 5 to 8).

    All (blocks,); nan where a block has values of one sign only, as a flat one.
    """
    values = blocks.flatten(1)
    left, right = (_spread(values, side) for side in (values < 0, values > 0))
    ratio = left / right
    share = values.abs().mean(1) ** 2 / (values * values).mean(1)
    share = share * (ratio**3 + 1) * (ratio + 1) / (ratio**2 + 1) ** 2
    alphas = ALPHAS.to(values.device)
    expected = (2 * torch.lgamma(2 / alphas) - torch.lgamma(1 / alphas) - torch.lgamma(3 / alphas)).exp()
    alpha = alphas[(expected - share.nan_to_num()[:, None]).abs().argmin(1)] + 0 * share
    scale = ((torch.lgamma(1 / alpha) - torch.lgamma(3 / alpha)) / 2).exp()
    left, right = left * scale, right * scale
    return alpha, left, right, (right - left) * (torch.lgamma(2 / alpha) - torch.lgamma(1 / alpha)).exp()


def _spread(values: Tensor, chosen: Tensor) -> Tensor:
    """Root mean square of the `chosen` of each row."""
    return ((values * chosen).square().sum(1) / chosen.sum(1)).sqrt()


NIQE = Metric(
    "niqe",
    "NIQE",
    "",
    3,
    higher_is_better=False,
    planes="rgb",
    measure=niqe,
    table="perception",
    parameters=PARAMETERS,
    smallest=SMALLEST,
)
