"""ESPCN: Shi et al., "Real-Time Single Image and Video Super-Resolution ... Sub-Pixel ...", CVPR 2016."""

from torch import Tensor, nn

from srlab.models.network import Network


class ESPCN(Network):
    """Luma (B, 1, h, w) in [0, 1] to (B, 1, h*scale, w*scale): all convolutions at low resolution, then a shuffle.

    Layers (5, 64), (3, 32), (3, scale^2) with tanh between them (sec. 3.2). Weights start as PyTorch's default.
    """

    def __init__(self, scale: int) -> None:
        super().__init__(scale, channels=1)
        self.body = nn.Sequential(
            nn.Conv2d(1, 64, 5, padding=2),
            nn.Tanh(),
            nn.Conv2d(64, 32, 3, padding=1),
            nn.Tanh(),
            nn.Conv2d(32, scale**2, 3, padding=1),
            nn.PixelShuffle(scale),  # eq. 4
        )

    def forward(self, lr: Tensor) -> Tensor:
        """(B, 1, h, w) in [0, 1] to (B, 1, h*scale, w*scale), not clamped."""
        return self.body(lr)
