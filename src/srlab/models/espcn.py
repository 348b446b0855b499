"""ESPCN: Shi et al., "Real-Time Single Image and Video Super-Resolution ... Sub-Pixel ...", CVPR 2016."""

from torch import Tensor, nn

from srlab.models.base.network import Network
from srlab.models.base.subpixel import icnr_

GREY = 0.5  # off the input, onto the output: tanh learns fastest around 0, and zero padding is grey instead of black


class ESPCN(Network):
    """Luma (B, 1, h, w) in [0, 1] to (B, 1, h*scale, w*scale): all convolutions at low resolution, then a shuffle.

    Layers (5, 64), (3, 32), (3, scale^2) with tanh between them (sec. 3.2). The first two start with outputs and biases
    of 0.5, where tanh is curved. With PyTorch's smaller weights they start as good as linear, then all biases fall to
    0, and a network without them is odd: f(-x) = -f(x). The last starts as a Gaussian of standard deviation 0.001, with
    `icnr` without a checkerboard (see `icnr_`).
    """

    def __init__(self, scale: int, icnr: bool = False) -> None:
        super().__init__(scale, channels=1)
        first, second = nn.Conv2d(1, 64, 5, padding=2), nn.Conv2d(64, 32, 3, padding=1)
        wide = nn.Conv2d(32, scale**2, 3, padding=1)
        for convolution, std, bias in (first, 0.5, 0.5), (second, 1 / 24, 0.5), (wide, 0.001, 0.0):
            nn.init.normal_(convolution.weight, std=std)
            nn.init.uniform_(convolution.bias, -bias, bias)  # pyright: ignore[reportArgumentType]
        if icnr:
            icnr_(wide, scale)
        self.body = nn.Sequential(first, nn.Tanh(), second, nn.Tanh(), wide, nn.PixelShuffle(scale))  # eq. 4

    def forward(self, lr: Tensor) -> Tensor:
        """(B, 1, h, w) in [0, 1] to (B, 1, h*scale, w*scale), not clamped."""
        return self.body(lr - GREY) + GREY
