"""VDSR: Kim et al., "Accurate Image Super-Resolution Using Very Deep Convolutional Networks", CVPR 2016."""

from torch import Tensor, nn

from srlab.images.resample import imresize
from srlab.models.base.convolution import he_convolution
from srlab.models.base.network import Network, counted, half_squared_error

PUBLISHED = (20, 64)  # weight layers and channels, sec. 3.1 and 5.2


class VDSR(Network):
    """Luma (B, 1, h, w) in [0, 1] to (B, 1, h*scale, w*scale): bicubic enlargement plus a learned residual.

    `num_layers` convolutions of 3x3 with zero padding and ReLUs between them (sec. 3.1), which start as He et al. 2015
    ask for ReLUs (sec. 5.2), with zero biases. One network per scale: the paper's single network for several scales
    (sec. 4.3) is not trained here.
    """

    def __init__(self, scale: int, num_layers: int, num_features: int) -> None:
        is_published = (num_layers, num_features) == PUBLISHED
        super().__init__(scale, 1, "" if is_published else counted(layer=num_layers, channel=num_features))
        layers: list[nn.Module] = [he_convolution(1, num_features)]
        for _ in range(num_layers - 2):
            layers += [nn.ReLU(), he_convolution(num_features, num_features)]
        self.body = nn.Sequential(*layers, nn.ReLU(), he_convolution(num_features, 1))

    def forward(self, lr: Tensor) -> Tensor:
        """(B, 1, h, w) in [0, 1] to (B, 1, h*scale, w*scale), not clamped."""
        enlarged = imresize(lr, scale=self.scale)
        return enlarged + self.body(enlarged)

    def training_loss(self, lr: Tensor, hr: Tensor, epoch: int) -> Tensor:
        """1/2 ||r - f(x)||^2 for the residual r = HR - bicubic, summed over pixels, a mean over patches (sec. 3.2)."""
        return half_squared_error(self(lr), hr)
