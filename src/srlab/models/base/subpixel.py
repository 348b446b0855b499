"""A start of sub-pixel convolutions that shows no checkerboard: Aitken et al., arXiv:1707.02937, 2017."""

import torch
from torch import nn


@torch.no_grad()
def icnr_(convolution: nn.Conv2d, factor: int) -> None:
    """Make PixelShuffle(`factor`) of `convolution` the nearest enlargement of one sub-kernel's output (sec. 3.2).

    Of each `factor`^2 output channels that are shuffled into one, all get the weights and the bias of the first, so
    that no random number is drawn and the sub-kernel starts as it would have. ValueError if the channels do not fit.
    """
    area = factor**2
    if convolution.out_channels % area:
        raise ValueError(f"{convolution.out_channels} channels cannot be shuffled into blocks of {factor}x{factor}")
    for parameter in convolution.parameters():
        parameter.copy_(parameter[::area].repeat_interleave(area, dim=0))
