"""SRResNet, SRGAN's generator: Ledig et al., "Photo-Realistic Single Image Super-Resolution ...", CVPR 2017."""

from torch import Tensor, nn

from srlab.errors import SrlabError
from srlab.models.base.activation import PReLU
from srlab.models.base.network import Network, counted
from srlab.models.base.subpixel import icnr_

PUBLISHED = (16, 64)  # residual blocks and channels, sec. 3.2


class SRResNet(Network):
    """RGB (B, 3, h, w) in [0, 1] to (B, 3, h*scale, w*scale): residual blocks, then sub-pixel stages (Fig. 4).

    One stage of x2 per factor of two, or a single stage of x3. SrlabError for any other scale. With `icnr` the stages
    start without a checkerboard (see `icnr_`).
    """

    def __init__(self, scale: int, num_blocks: int, num_features: int, icnr: bool = False) -> None:
        is_published = (num_blocks, num_features) == PUBLISHED
        super().__init__(scale, 3, "" if is_published else counted(block=num_blocks, channel=num_features))
        self.head = nn.Sequential(nn.Conv2d(3, num_features, 9, padding=4), PReLU())
        self.blocks = nn.Sequential(*(ResidualBlock(num_features) for _ in range(num_blocks)))
        self.tail = nn.Sequential(nn.Conv2d(num_features, num_features, 3, padding=1), nn.BatchNorm2d(num_features))
        self.stages = nn.Sequential(*(_subpixel_stage(num_features, factor, icnr) for factor in _factors(scale)))
        self.last = nn.Conv2d(num_features, 3, 9, padding=4)

    def forward(self, lr: Tensor) -> Tensor:
        """(B, 3, h, w) in [0, 1] to (B, 3, h*scale, w*scale), not clamped."""
        shallow = self.head(lr)
        deep = self.tail(self.blocks(shallow))
        return self.last(self.stages(shallow + deep))


class ResidualBlock(nn.Module):
    """(B, n, h, w) to the same: x + BN(conv(PReLU(BN(conv(x))))), no activation after the sum (Fig. 4)."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(num_features, num_features, 3, padding=1),
            nn.BatchNorm2d(num_features),
            PReLU(),
            nn.Conv2d(num_features, num_features, 3, padding=1),
            nn.BatchNorm2d(num_features),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, n, h, w) to the same shape."""
        return x + self.body(x)


def _subpixel_stage(num_features: int, factor: int, icnr: bool) -> nn.Sequential:
    wide = nn.Conv2d(num_features, num_features * factor**2, 3, padding=1)
    if icnr:
        icnr_(wide, factor)
    return nn.Sequential(wide, nn.PixelShuffle(factor), PReLU())


def _factors(scale: int) -> list[int]:
    if scale == 3:
        return [3]
    if scale >= 2 and scale & (scale - 1) == 0:  # a power of two
        return [2] * (scale.bit_length() - 1)
    raise SrlabError(f"SRResNet cannot enlarge by {scale}: set `scale` to 2, 3, 4 or 8")
