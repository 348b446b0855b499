"""Losses of SRGAN (Ledig et al. 2017, sec. 2.2), on images (B, 3, H, W) in [0, 1]; in float32 under any autocast."""

from collections.abc import Callable
from pathlib import Path
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, mse_loss

from srlab.adversarial.vgg import VGGFeatures
from srlab.adversarial.vgg_weights import described, vgg19_file


class MSEContent(nn.Module):
    """Pixel MSE, scalar, measured on [-1, 1].

    That is the range of Ledig et al. (sec. 3.2), and their weight of the adversarial loss, 1e-3, is relative to it.
    """

    facts: ClassVar[dict[str, str]] = {}
    chooses_epoch = False  # it would always choose the first, nearest to the generator that MSE has trained

    def forward(self, sr: Tensor, hr: Tensor) -> Tensor:
        return 4 * mse_loss(sr.float(), hr)


class VGGContent(nn.Module):
    """MSE between VGG-19 feature maps of SR and HR, scalar (eq. 5); `layer` is "vgg22" or "vgg54".

    Features are divided by 12.75 (sec. 3.2: "equivalent to multiplying Equation 5 with a rescaling factor of ~0.006"),
    which brings VGG54 near the scale of the MSE, and VGG22 nowhere near: conf/base/content.yaml has what was measured.
    `path` is a file of weights, None for what `vgg19_file` finds; `facts` say which, for the metadata of a training.
    SrlabError if the weights are missing or damaged; there is no fallback.
    """

    chooses_epoch = True

    def __init__(self, layer: Literal["vgg22", "vgg54"], path: str | None = None) -> None:
        super().__init__()
        file = Path(path) if path else vgg19_file()
        self.features = VGGFeatures(str(file), layer)
        self.facts = {"vgg19": described(file)}

    def forward(self, sr: Tensor, hr: Tensor) -> Tensor:
        return mse_loss(self.features(sr) / 12.75, self.features(hr) / 12.75)


def discriminator_loss(real_logits: Tensor, fake_logits: Tensor, smoothing: float) -> Tensor:
    """-log D(HR) - log(1 - D(SR)), scalar, of logits (B, 1) (eq. 2), with the target 1 - `smoothing` for D(HR).

    One-sided label smoothing (Salimans et al. 2016, sec. 3.4) keeps the discriminator from being certain; 0 = none.
    """
    real, fake = real_logits.float(), fake_logits.float()
    return binary_cross_entropy_with_logits(
        real, real.new_full(real.shape, 1.0 - smoothing)
    ) + binary_cross_entropy_with_logits(fake, fake.new_zeros(fake.shape))


def adversarial_loss(fake_logits: Tensor) -> Tensor:
    """-log D(SR), scalar, of logits (B, 1): the generator's non-saturating loss (eq. 6)."""
    fake = fake_logits.float()
    return binary_cross_entropy_with_logits(fake, fake.new_ones(fake.shape))


def r1_penalty(discriminator: Callable[[Tensor], Tensor], hr: Tensor) -> Tensor:
    """E ||grad_x D(x)||^2 over real images (B, 3, H, W), scalar, D in logits: Mescheder et al. 2018, eq. 9 but gamma/2.

    To be minimized by the discriminator. It runs once more, in full precision: gradients of gradients lose too much in
    16 bit. Where it normalises over the batch, the gradient includes what an image does to the logits of the others.
    """
    images = hr.detach().requires_grad_()
    with torch.autocast(images.device.type, enabled=False):
        (gradient,) = torch.autograd.grad(discriminator(images).sum(), images, create_graph=True)
    return gradient.square().flatten(1).sum(1).mean()
