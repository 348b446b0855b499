"""Losses of SRGAN (Ledig et al. 2017, sec. 2.2), on images (B, 3, H, W) in [0, 1]."""

from pathlib import Path
from typing import Literal

from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, mse_loss

from srlab.data.vgg_weights import weights_file
from srlab.models.vgg import VGGFeatures


class MSEContent(nn.Module):
    """Pixel MSE, scalar, measured on [-1, 1].

    That is the range of Ledig et al. (sec. 3.2), and their weight of the adversarial loss, 1e-3, is relative to it.
    """

    def forward(self, sr: Tensor, hr: Tensor) -> Tensor:
        return 4 * mse_loss(sr, hr)


class VGGContent(nn.Module):
    """MSE between VGG-19 feature maps of SR and HR, scalar (eq. 5); `layer` is "vgg22" or "vgg54".

    Features are divided by 12.75, which brings the loss to the scale of the MSE (sec. 3.2: "equivalent to multiplying
    Equation 5 with a rescaling factor of ~0.006").

    Raises:
        SrlabError: the weights are missing or damaged; there is no fallback.
    """

    def __init__(self, folder: str, layer: Literal["vgg22", "vgg54"]) -> None:
        super().__init__()
        self.features = VGGFeatures(str(weights_file(Path(folder))), layer)

    def forward(self, sr: Tensor, hr: Tensor) -> Tensor:
        return mse_loss(self.features(sr) / 12.75, self.features(hr) / 12.75)


def discriminator_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """-log D(HR) - log(1 - D(SR)), scalar, of logits (B, 1) (eq. 2)."""
    return binary_cross_entropy_with_logits(
        real_logits, real_logits.new_ones(real_logits.shape)
    ) + binary_cross_entropy_with_logits(fake_logits, fake_logits.new_zeros(fake_logits.shape))


def adversarial_loss(fake_logits: Tensor) -> Tensor:
    """-log D(SR), scalar, of logits (B, 1): the generator's non-saturating loss (eq. 6)."""
    return binary_cross_entropy_with_logits(fake_logits, fake_logits.new_ones(fake_logits.shape))
