"""RLFN, written from its paper: Kong et al., "Residual Local Feature Network ...", CVPRW 2022, arXiv 2205.07514.

Names of layers are those of the released weights, which this has to load.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, leaky_relu, max_pool2d

SLOPE = 0.05  # of every leaky ReLU


class ESA(nn.Module):
    """Enhanced spatial attention (Liu et al. 2020, "RFANet"), with one convolution in the group (RLFN, fig. 3)."""

    def __init__(self, num_features: int, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(num_features, width, 1)
        self.conv_f = nn.Conv2d(width, width, 1)
        self.conv2 = nn.Conv2d(width, width, 3, stride=2)
        self.conv3 = nn.Conv2d(width, width, 3, padding=1)
        self.conv4 = nn.Conv2d(width, num_features, 1)

    def forward(self, x: Tensor) -> Tensor:
        narrow = self.conv1(x)
        small = self.conv3(max_pool2d(self.conv2(narrow), kernel_size=7, stride=3))
        wide = interpolate(small, x.shape[2:], mode="bilinear", align_corners=False)
        return x * torch.sigmoid(self.conv4(wide + self.conv_f(narrow)))


class RLFB(nn.Module):
    """Residual local feature block (fig. 2): three convolutions around which the input is added, 1x1, attention."""

    def __init__(self, num_features: int, width: int) -> None:
        super().__init__()
        self.c1_r, self.c2_r, self.c3_r = (nn.Conv2d(num_features, num_features, 3, padding=1) for _ in range(3))
        self.c5 = nn.Conv2d(num_features, num_features, 1)
        self.esa = ESA(num_features, width)

    def forward(self, x: Tensor) -> Tensor:
        y = x
        for conv in (self.c1_r, self.c2_r, self.c3_r):
            y = leaky_relu(conv(y), SLOPE)
        return self.esa(self.c5(y + x))


class RLFN(nn.Module):
    """RGB (B, 3, h, w) in 0..255 to (B, 3, h*scale, w*scale): six blocks between two convolutions (fig. 1)."""

    def __init__(self, scale: int, num_features: int, attention_features: int) -> None:
        super().__init__()
        self.conv_1 = nn.Conv2d(3, num_features, 3, padding=1)
        for number in range(1, 7):
            self.add_module(f"block_{number}", RLFB(num_features, attention_features))
        self.conv_2 = nn.Conv2d(num_features, num_features, 3, padding=1)
        self.upsampler = nn.Sequential(nn.Conv2d(num_features, 3 * scale**2, 3, padding=1), nn.PixelShuffle(scale))

    def forward(self, x: Tensor) -> Tensor:
        first = self.conv_1(x)
        y = first
        for number in range(1, 7):
            y = self.get_submodule(f"block_{number}")(y)
        return self.upsampler(self.conv_2(y) + first)
