"""The layer that VDSR and DRCN are made of."""

from torch import nn


def he_convolution(num_in: int, num_out: int) -> nn.Conv2d:
    """3x3 convolution (B, num_in, h, w) to (B, num_out, h, w), zero padding; starts as He et al. 2015 ask for ReLUs.

    Biases start at zero.
    """
    convolution = nn.Conv2d(num_in, num_out, 3, padding=1)
    nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
    nn.init.zeros_(convolution.bias)  # pyright: ignore[reportArgumentType]
    return convolution
