"""What every network offers: pixels in, pixels out, grey or colour."""

from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from srlab.data.colour import luma, rgb_to_ycbcr, ycbcr_to_rgb
from srlab.data.resample import imresize
from srlab.errors import SrlabError


@runtime_checkable
class Upscaler(Protocol):
    """A named method that enlarges images; networks with weights and classical methods look alike from here."""

    label: str

    def upscale(self, lr: Tensor, scale: int) -> Tensor:
        """(B, C, h, w) in [0, 1] to (B, C, h*scale, w*scale) in [0, 1], C = 1 (grey) or 3 (RGB)."""
        ...


class Network(nn.Module):
    """A super-resolution network for one `scale`, working on luma (`channels` = 1) or RGB (`channels` = 3)."""

    def __init__(self, scale: int, channels: int) -> None:
        super().__init__()
        self.scale = scale
        self.channels = channels

    @property
    def variant(self) -> str:
        """How this network differs from the published one, as in "4 blocks, 32 channels"; "" where it does not."""
        return ""

    def forward(self, lr: Tensor) -> Tensor:
        """(B, channels, h, w) in [0, 1] to (B, channels, h*scale, w*scale), about [0, 1] and not clamped."""
        raise NotImplementedError(f"{type(self).__name__}.forward")

    @torch.no_grad()
    def upscale(self, lr: Tensor, scale: int) -> Tensor:
        """(B, C, h, w) in [0, 1] to (B, C, h*scale, w*scale) in [0, 1] on the device and in the dtype of `lr`.

        A luma network gets the luma of a colour image and leaves the chroma to bicubic interpolation, as the authors of
        SRCNN and ESPCN do; an RGB network gets a grey image as R = G = B.
        Runs in eval mode and in the precision of the weights whatever autocast is on around it, so that a score never
        depends on how the network was trained. SrlabError for another scale or other channels.
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
        """`forward` where the weights are, in their precision; back on the device and in the dtype of `lr`."""
        weight = next(self.parameters())
        with torch.autocast(weight.device.type, enabled=False):
            return self(lr.to(weight.device, weight.dtype)).to(lr.device, lr.dtype)
