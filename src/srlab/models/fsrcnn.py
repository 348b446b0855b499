"""FSRCNN: Dong et al., "Accelerating the Super-Resolution Convolutional Neural Network", ECCV 2016."""

from typing import Any

from torch import Tensor, nn
from torch.nn.functional import pad

from srlab.models.base.activation import PReLU
from srlab.models.base.network import Network

PUBLISHED = (56, 12, 4)  # d, s, m of the network that the paper compares, sec. 3.2
SLOPE = 0.25  # of every PReLU at the start (He et al. 2015, sec. 2.1), as in torch


class FSRCNN(Network):
    """Luma (B, 1, h, w) in [0, 1] to (B, 1, h*scale, w*scale): everything at low resolution, then a deconvolution.

    Conv(5, d, 1), Conv(1, s, d), m x Conv(3, s, s), Conv(1, d, s), each with a PReLU, and DeConv(9, 1, d) of stride
    `scale` (sec. 3.2). The filters before the deconvolution start as He et al. 2015 ask for PReLUs, those of the
    deconvolution as a Gaussian of standard deviation 0.001 (sec. 4.1); biases start at zero.

    As in the authors' code, a layer has one slope and images and features are continued by their border pixels.
    """

    def __init__(self, scale: int, d: int, s: int, m: int) -> None:
        super().__init__(scale, 1, "" if (d, s, m) == PUBLISHED else f"d={d}, s={s}, m={m}")
        layers = [*_layer(1, d, 5), *_layer(d, s, 1)]
        for _ in range(m):
            layers += _layer(s, s, 3)
        self.body = nn.Sequential(*layers, *_layer(s, d, 1))
        # output_padding: without it there would be (h - 1) * scale + 1 rows
        self.enlarge = nn.ConvTranspose2d(d, 1, 9, stride=scale, padding=4, output_padding=scale - 1)
        nn.init.normal_(self.enlarge.weight, std=1e-3)
        nn.init.zeros_(self.enlarge.bias)  # pyright: ignore[reportArgumentType]

    def forward(self, lr: Tensor) -> Tensor:
        """(B, 1, h, w) in [0, 1] to (B, 1, h*scale, w*scale), not clamped."""
        reach = -(-4 // self.scale)  # LR pixels beyond the border under a 9x9 filter; without them the border is dark
        features = pad(self.body(lr), (reach,) * 4, mode="replicate")
        surplus = reach * self.scale
        return self.enlarge(features)[..., surplus:-surplus, surplus:-surplus]

    def parameter_groups(self, lr: float) -> list[dict[str, Any]]:
        """`lr` for the convolutions, a tenth of it for the deconvolution: 1e-3 and 1e-4 in sec. 4.1."""
        return [
            {"params": list(self.body.parameters()), "lr": lr},
            {"params": list(self.enlarge.parameters()), "lr": 0.1 * lr},
        ]


def _layer(num_in: int, num_out: int, kernel: int) -> list[nn.Module]:
    convolution = nn.Conv2d(num_in, num_out, kernel, padding=kernel // 2, padding_mode="replicate")
    nn.init.kaiming_normal_(convolution.weight, a=SLOPE)
    nn.init.zeros_(convolution.bias)  # pyright: ignore[reportArgumentType]
    return [convolution, PReLU(init=SLOPE)]
