"""What every network offers: pixels in, pixels out, grey or colour."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from srlab.errors import SrlabError
from srlab.images.colour import luma, rgb_to_ycbcr, ycbcr_to_rgb
from srlab.images.resample import imresize


@runtime_checkable
class Upscaler(Protocol):
    """A named method that enlarges images; networks with weights and classical methods look alike from here."""

    label: str

    @property
    def num_parameters(self) -> int:
        """How many numbers the method has learned; 0 for one that learns nothing."""
        ...

    def upscale(self, lr: Tensor, scale: int) -> Tensor:
        """(B, C, h, w) in [0, 1] to (B, C, h*scale, w*scale) in [0, 1], C = 1 (grey) or 3 (RGB)."""
        ...


class Network(nn.Module):
    """A super-resolution network for one `scale`, working on luma (`channels` = 1) or RGB (`channels` = 3).

    `variant` says how it differs from the published network, as in "4 blocks, 32 channels"; "" where it does not.
    `loss_changes`: whether `training_loss` depends on the epoch.
    """

    loss_changes = False

    def __init__(self, scale: int, channels: int, variant: str = "") -> None:
        super().__init__()
        self.scale, self.channels, self.variant = scale, channels, variant

    @property
    def num_parameters(self) -> int:
        """Weights and biases, statistics of batch normalisation not counted."""
        return sum(parameter.numel() for parameter in self.parameters())

    def forward(self, lr: Tensor) -> Tensor:
        """(B, channels, h, w) in [0, 1] to (B, channels, h*scale, w*scale), about [0, 1] and not clamped."""
        raise NotImplementedError(f"{type(self).__name__}.forward")

    def training_loss(self, lr: Tensor, hr: Tensor, epoch: int) -> Tensor:
        """What training minimizes, scalar, of LR (B, channels, h, w) and HR in [0, 1]: the MSE of the enlarged image.

        In float32 whatever autocast is on. A network whose paper has another loss overrides this.
        `epoch` counts from 0.
        """
        return mse_loss(self(lr).float(), hr)

    def parameter_groups(self, lr: float) -> list[dict[str, Any]]:
        """All parameters with their learning rates, as torch's optimizers take them: `lr` for the first group.

        A network whose paper trains some layers more slowly overrides this.
        """
        return [{"params": list(self.parameters()), "lr": lr}]

    @torch.no_grad()
    def upscale(self, lr: Tensor, scale: int) -> Tensor:
        """(B, C, h, w) in [0, 1] to (B, C, h*scale, w*scale) in [0, 1] in the dtype of `lr`.

        A luma network gets the luma of a colour image and leaves the chroma to bicubic interpolation, as the authors of
        SRCNN and ESPCN do; an RGB network gets a grey image as R = G = B.
        Runs in eval mode, uncompiled and in the precision of the weights, so that a score never depends on how the
        network was trained, and a new size of image costs nothing. SrlabError for another scale, other channels or
        another device than the network's.
        """
        if scale != self.scale:
            name = type(self).__name__
            raise SrlabError(f"{name} was built for x{self.scale}, asked for x{scale}: train it again with that scale")
        if lr.ndim != 4 or lr.shape[1] not in (1, 3):
            raise SrlabError(f"images must be (B, 1, h, w) or (B, 3, h, w), got {tuple(lr.shape)}: convert them first")
        was_training = self.training
        self.eval()
        try:
            return self._in_own_channels(lr).clamp(0.0, 1.0)
        finally:
            self.train(was_training)

    def _in_own_channels(self, lr: Tensor) -> Tensor:
        if lr.shape[1] == self.channels:
            return self._with_own_weights(lr)
        if self.channels == 3:
            rgb = self._with_own_weights(lr.expand(-1, 3, -1, -1))
            # The grey whose R = G = B has the luma of `rgb`: studio range (16..235) back to full range.
            return (luma(rgb) * 255.0 - 16.0) / 219.0
        ycbcr = rgb_to_ycbcr(lr)
        y = self._with_own_weights(ycbcr[:, :1])
        cbcr = imresize(ycbcr[:, 1:], scale=self.scale)
        return ycbcr_to_rgb(torch.cat([y, cbcr], dim=1))

    def _with_own_weights(self, lr: Tensor) -> Tensor:
        """`forward` in the precision of the weights; back in the dtype of `lr`."""
        weight = next(self.parameters())
        if weight.device != lr.device:
            raise SrlabError(f"{type(self).__name__} is on {weight.device}, the image on {lr.device}: move one of them")
        with full_precision(weight.device):
            return self.forward(lr.to(weight.dtype)).to(lr.dtype)  # not what was compiled


@contextmanager
def full_precision(device: torch.device) -> Iterator[None]:
    """Neither autocast nor TF32; and no kernel is chosen by trying all, which every new size of image would ask for."""
    matmul: Any = torch.backends.cuda.matmul
    cudnn: Any = torch.backends.cudnn
    before = matmul.allow_tf32, cudnn.allow_tf32, cudnn.benchmark
    matmul.allow_tf32 = cudnn.allow_tf32 = cudnn.benchmark = False
    try:
        with torch.autocast(device.type, enabled=False):
            yield
    finally:
        matmul.allow_tf32, cudnn.allow_tf32, cudnn.benchmark = before


def counted(**numbers: int) -> str:
    """As in "1 block, 16 channels" for block=1, channel=16."""
    return ", ".join(f"{number} {what}" + "s" * (number != 1) for what, number in numbers.items())


def half_squared_error(sr: Tensor, hr: Tensor) -> Tensor:
    """1/2 ||HR - SR||^2, scalar, in float32: summed over the pixels of a patch (C, H, W), averaged over the batch.

    VDSR and DRCN are defined with it (Kim et al. 2016). Plain gradient descent is not indifferent to the factor between
    it and the MSE, half the number of values in a patch: their learning rates would be some 800 times too small.
    """
    return 0.5 * mse_loss(sr.float(), hr) * hr[0].numel()
