"""SRCNN: Dong et al., "Image Super-Resolution Using Deep Convolutional Networks", TPAMI 2016 (ECCV 2014)."""

from torch import Tensor, nn

from srlab.errors import SrlabError
from srlab.images.resample import imresize
from srlab.models.base.network import Network

KERNELS = {"9-1-5": (9, 1, 5), "9-5-5": (9, 5, 5)}  # sec. 4.3.2: 8,129 and 57,281 parameters


class SRCNN(Network):
    """Luma (B, 1, h, w) in [0, 1] to (B, 1, h*scale, w*scale): bicubic enlargement, then three convolutions.

    `init` is "paper" (Gaussian of standard deviation 0.001, zero biases; sec. 3.3) or "default" (PyTorch's). The
    published start needs the published patience, 8e8 back-propagations: every activation begins near zero, and so
    does every gradient. SrlabError for other kernels or another init.
    """

    def __init__(self, scale: int, kernels: str, init: str) -> None:
        super().__init__(scale, channels=1)
        if kernels not in KERNELS:
            raise SrlabError(f"SRCNN has no kernels '{kernels}': set `kernels` to one of {', '.join(KERNELS)}")
        if init not in ("paper", "default"):
            raise SrlabError(f"SRCNN has no init '{init}': set `init` to paper or default")
        first, second, third = KERNELS[kernels]
        self.body = nn.Sequential(
            _convolution(1, 64, first), nn.ReLU(), _convolution(64, 32, second), nn.ReLU(), _convolution(32, 1, third)
        )
        if init == "paper":
            self.body.apply(_start_near_zero)

    def forward(self, lr: Tensor) -> Tensor:
        """(B, 1, h, w) in [0, 1] to (B, 1, h*scale, w*scale), not clamped."""
        return self.body(imresize(lr, scale=self.scale))


def _convolution(num_in: int, num_out: int, kernel: int) -> nn.Conv2d:
    # The authors' test code filters each layer with imfilter(..., 'same', 'replicate').
    return nn.Conv2d(num_in, num_out, kernel, padding=kernel // 2, padding_mode="replicate")


def _start_near_zero(layer: nn.Module) -> None:
    if isinstance(layer, nn.Conv2d) and layer.bias is not None:
        nn.init.normal_(layer.weight, std=1e-3)
        nn.init.zeros_(layer.bias)
